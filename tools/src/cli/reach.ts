/** Waits for something of a platform; rejects with what could not be reached, where it was looked for, and why. */
export async function reach<T>(what: string, where: string, attempt: Promise<T>): Promise<T> {
  try {
    return await attempt;
  } catch (error) {
    const { message, cause } = error as Error;
    const place = where.replace(/:\/\/[^@/]*@/, '://');
    throw new Error(
      `${what} could not be reached at ${place} (${(cause as Error | undefined)?.message ?? message}); is the platform running, and there?`,
      { cause: error },
    );
  }
}
