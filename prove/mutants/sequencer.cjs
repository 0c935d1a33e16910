const Sequencer = require('@jest/test-sequencer').default;

/** Tests that need no server come first: most mutants do not live to see the others. */
module.exports = class extends Sequencer {
  sort(tests) {
    return tests.toSorted((a, b) => a.path.includes('.int.') - b.path.includes('.int.'));
  }
};
