"""Why a run does badly: measurements while it trains, rules over them, and a corrected spec."""
