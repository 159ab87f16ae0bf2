/** The built-in datasets, `[name, what it is]`, as the schema of a job's dataset names them. */

export const BUILT_IN = [
  ["digits", "8 x 8 digits, 1,797 pictures; nothing to download"],
  ["mnist", "28 x 28 digits, 70,000 pictures"],
  ["fashion-mnist", "28 x 28 clothes, 70,000 pictures"],
  ["kmnist", "28 x 28 Kuzushiji letters, 70,000 pictures"],
  ["breast-cancer", "a table of 569 rows; nothing to download"],
];
