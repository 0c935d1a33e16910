/** The pattern of the events. */
export const EVENT = 'payments.completed';
/** The pattern of the requests. */
export const REQUEST = 'ask';

/**
 * A controller with the benchmark's two handlers, as TypeScript would compile it: peers are plain JavaScript, so that
 * they need no build. `nest` is the peer's own copy of the decorators.
 */
export function controllerOf(nest, { heard, answered }) {
  class BenchController {}
  const define = (name, pattern, method) => {
    BenchController.prototype[name] = method;
    pattern(BenchController.prototype, name, Object.getOwnPropertyDescriptor(BenchController.prototype, name));
    nest.Payload()(BenchController.prototype, name, 0);
    nest.Ctx()(BenchController.prototype, name, 1);
  };
  define('heard', nest.EventPattern(EVENT), heard);
  define('answered', nest.MessagePattern(REQUEST), answered);
  nest.Controller()(BenchController);
  return BenchController;
}

/** A module of these parts. */
export function moduleOf(nest, parts) {
  class BenchModule {}
  nest.Module(parts)(BenchModule);
  return BenchModule;
}
