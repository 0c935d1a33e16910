// Read by shape: inside a Jest environment an error of the system is no instance of the global Error.

/** The system's code of an error (`ENOENT`), or undefined when it carries none. */
export function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

export function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
}
