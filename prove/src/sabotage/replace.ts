import 'reflect-metadata';
import type { ClassProvider, DynamicModule, FactoryProvider, Provider, Type } from '@nestjs/common';

/** A provider by its token, or by the name of its class where a service keeps that to itself. */
type Token = Type | string;

/** The module of a service in which one provider, wherever it is declared, is another. Throws when there is none. */
export function replacing(module: Type, token: Token, by: (found: Provider) => Provider): Type {
  let found = false;
  const changed = (providers: Provider[] = []): Provider[] =>
    providers.map((provider) => {
      const provided = typeof provider === 'function' ? provider : provider.provide;
      if (provided !== token && (provided as { name?: string }).name !== token) return provider;
      found = true;
      return by(provider);
    });
  const inside = (imported: DynamicModule): DynamicModule => ({
    ...imported,
    ...(imported.imports && { imports: (imported.imports as DynamicModule[]).map(inside) }),
    ...(imported.providers && { providers: changed(imported.providers) }),
  });
  const imports = (Reflect.getMetadata('imports', module) as DynamicModule[]).map(inside);
  const providers = changed(Reflect.getMetadata('providers', module) as Provider[] | undefined);
  if (!found) throw new Error(`${module.name} provides no ${String(token)} to sabotage`);
  Reflect.defineMetadata('imports', imports, module);
  Reflect.defineMetadata('providers', providers, module);
  return module;
}

/** The module of a service in which what one factory makes is tampered with. */
export const tampering = <T>(module: Type, token: Type<T>, tamper: (made: T) => void): Type =>
  replacing(module, token, (found) => {
    const { useFactory, ...rest } = found as FactoryProvider<T>;
    return {
      ...rest,
      useFactory: (...parts: never[]) => {
        const made = (useFactory as (...all: never[]) => T)(...parts);
        tamper(made);
        return made;
      },
    };
  });

/** The module of a service in which one class is another that extends it. */
export const extending = <T>(module: Type, token: Token, extend: (found: Type<T>) => Type<T>): Type =>
  replacing(module, token, (found) => {
    const { provide, useClass } = found as ClassProvider<T>;
    return { provide, useClass: extend(useClass) };
  });
