/** Asks a model about what changes while it is asked: one request at a time, the newest wins. */

/**
 * Calls `ask(value)` for the newest value given to the returned function, and `answered(result,
 * value)` unless a newer value was given meanwhile; `failed(error)` likewise.
 */
export function newest(ask, answered, failed) {
  let wanted = null;
  let isBusy = false;
  return async (value) => {
    wanted = { value };
    if (isBusy) return;
    isBusy = true;
    while (wanted) {
      const asked = wanted;
      wanted = null;
      try {
        const result = await ask(asked.value);
        if (!wanted) answered(result, asked.value);
      } catch (error) {
        if (!wanted && error.name !== "AbortError") failed(error);
      }
    }
    isBusy = false;
  };
}
