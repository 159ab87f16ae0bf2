/** Asks a model about what changes while it is asked: one request at a time, for the newest value. */

/**
 * A function that asks about a value: it calls `ask(value)`, then `answered(result, value)` or
 * `failed(error)`. Values that come meanwhile wait, and only the newest of them is asked about; so
 * answers come in order. Its `forget()` drops what waits and what is under way.
 */
export function newest(ask, answered, failed) {
  let wanted = null;
  let isBusy = false;
  let turn = 0;
  const next = async (value) => {
    wanted = { value };
    if (isBusy) return;
    isBusy = true;
    while (wanted) {
      const [asked, began] = [wanted, turn];
      wanted = null;
      try {
        const result = await ask(asked.value);
        if (began === turn) answered(result, asked.value);
      } catch (error) {
        if (began === turn && !wanted && error.name !== "AbortError") failed(error);
      }
    }
    isBusy = false;
  };
  next.forget = () => {
    wanted = null;
    turn += 1;
  };
  return next;
}
