/** Told what is being done, and when it is done. */
export type Progress = <T>(what: string, work: () => Promise<T>) => Promise<T>;

const SAY_AGAIN_MS = 30_000;

/** Prints each step as it begins, now and again while it lasts, and with its time when it ends; to stderr. */
export const printed: Progress = async (what, work) => {
  const start = performance.now();
  const seconds = () => `${((performance.now() - start) / 1000).toFixed(0)} s`;
  console.error(`  … ${what}`);
  const timer = setInterval(() => console.error(`    ${seconds()}`), SAY_AGAIN_MS);
  try {
    const result = await work();
    console.error(`  ✔ ${what} (${seconds()})`);
    return result;
  } catch (error) {
    console.error(`  ✘ ${what} (${seconds()})`);
    throw error;
  } finally {
    clearInterval(timer);
  }
};
