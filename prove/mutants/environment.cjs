const { TestEnvironment } = require('jest-environment-node');

/** Ends a file at its first failure: the mutant is noticed, and what the other tests wait for in vain would take minutes. */
module.exports = class extends TestEnvironment {
  #failed = false;

  handleTestEvent({ name, test }) {
    if (name === 'test_fn_failure' || name === 'hook_failure') this.#failed = true;
    if (name === 'test_start' && this.#failed) test.mode = 'skip';
  }
};
