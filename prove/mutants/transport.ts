// What rules, participant and relay use of @pavane/jetstream: a mutant that needs no Nest starts in half the time.
export * from '../../libs/jetstream/src/publish/envelope.js';
export * from '../../libs/jetstream/src/errors.js';
export * from '../../libs/jetstream/src/seam.js';
