import 'reflect-metadata';
import type { Abstract, DynamicModule, FactoryProvider, Provider, Type } from '@nestjs/common';

type Token = Type | Abstract<unknown>;

/** The module of a service in which one provider, wherever it is declared, is another. Throws when there is none. */
export function replacing(module: Type, token: Token, by: (found: Provider) => Provider): Type {
  let found = false;
  const changed = (providers: Provider[] = []): Provider[] =>
    providers.map((provider) => {
      const provided = typeof provider === 'function' ? provider : provider.provide;
      if (provided !== token) return provider;
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
  if (!found) throw new Error(`${module.name} provides no ${token.name} to sabotage`);
  Reflect.defineMetadata('imports', imports, module);
  Reflect.defineMetadata('providers', providers, module);
  return module;
}

/** The module of a service in which what one factory makes is tampered with. */
export const tampering = <T>(module: Type, token: Type<T> | Abstract<T>, tamper: (made: T) => void): Type =>
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
