import {
  type DynamicModule,
  type FactoryProvider,
  Inject,
  Module,
  type ModuleMetadata,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { OpenFeature } from '@openfeature/server-sdk';
import type { FlagTable } from './definitions.js';
import { Flags } from './flags.js';
import { NatsFlagProvider, type NatsFlagProviderOptions } from './provider.js';

export type FlagsModuleOptions = NatsFlagProviderOptions;

export interface FlagsModuleAsyncOptions {
  imports?: ModuleMetadata['imports'];
  inject?: FactoryProvider['inject'];
  // Nest passes what `inject` names, which no type can follow.
  // oxlint-disable-next-line typescript/no-explicit-any
  useFactory: (...injected: any[]) => FlagsModuleOptions | Promise<FlagsModuleOptions>;
}

const OPTIONS = Symbol('FLAGS_OPTIONS');
let instances = 0;

/** Global module that provides {@link Flags}. Starting never waits for NATS. */
@Module({})
export class FlagsModule implements OnApplicationShutdown {
  constructor(@Inject(Flags) private readonly flags: Flags) {}

  static forRoot(options: FlagsModuleOptions): DynamicModule {
    return FlagsModule.forRootAsync({ useFactory: () => options });
  }

  static forRootAsync({ imports = [], inject = [], useFactory }: FlagsModuleAsyncOptions): DynamicModule {
    return {
      module: FlagsModule,
      global: true,
      imports,
      providers: [
        { provide: OPTIONS, inject, useFactory },
        { provide: Flags, inject: [OPTIONS], useFactory: startFlags },
      ],
      exports: [Flags],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.flags.close();
  }
}

async function startFlags(options: FlagsModuleOptions): Promise<Flags> {
  const provider = new NatsFlagProvider(options);
  // A domain each: OpenFeature's registry is global to the process, and several services may share one in tests.
  const domain = `flags-${++instances}`;
  await OpenFeature.setProviderAndWait(domain, provider);
  return new Flags(OpenFeature.getClient(domain), options.definitions as FlagTable, () => provider.onClose());
}
