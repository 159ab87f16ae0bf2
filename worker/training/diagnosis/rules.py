"""The order of causes: which findings a case has, the cause first, then what it explains."""

from dataclasses import replace

from worker.training.diagnosis import (
    batch_rules,
    data_rules,
    duration_rules,
    fit_rules,
    imbalance_rules,
    overfitting_rules,
    own_data_rules,
    rate_rules,
    signal_rules,
)
from worker.training.diagnosis.case import Case
from worker.training.diagnosis.findings import Finding

RULES = (
    data_rules.broken_features,
    data_rules.noisy_labels,
    imbalance_rules.class_imbalance,
    data_rules.distribution_shift,
    data_rules.inputs_not_normalized,
    signal_rules.bad_initialization,
    signal_rules.exploding_gradients,
    signal_rules.dead_from_the_start,
    signal_rules.vanishing_gradients,
    fit_rules.held_back,
    rate_rules.clipping_too_tight,
    batch_rules.batch_too_small,
    rate_rules.learning_rate_too_high,
    signal_rules.dead_relus,
    batch_rules.batch_too_large,
    rate_rules.learning_rate_too_low,
    duration_rules.stopped_too_early,
    overfitting_rules.overfitting,
    overfitting_rules.trained_too_long,
    data_rules.mislabelled_examples,
    own_data_rules.duplicates_across_parts,
    own_data_rules.target_leakage,
    own_data_rules.few_examples,
    signal_rules.non_finite,
)
"""From causes to symptoms: what a rule finds may explain what those below it find."""


def findings(case: Case) -> list[Finding]:
    """What the rules find, ranked: the first is the cause. At the end of a run never empty."""
    found: list[Finding] = []
    for rule in RULES:
        finding = rule(case)
        if finding is not None and all(finding.code != each.code for each in found):
            found.append(finding)
    if not found:
        unexplained = fit_rules.underfitting(case) or fit_rules.healthy(case)
        return [unexplained] if case.final else []
    cause, *others = found
    return [
        cause,
        *(each if each.stands_alone else replace(each, symptom_of=cause.code) for each in others),
    ]
