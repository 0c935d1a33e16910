import { Controller, Get, Header, Inject, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { renderMetrics } from '@pavane/telemetry';
import type { Response } from 'express';
import { errorsPage } from './errors-page.js';
import { Readiness } from './readiness.js';

/** What operators and their tools ask a service. */
@ApiExcludeController()
@Controller()
export class OperationsController {
  constructor(@Inject(Readiness) private readonly readiness: Readiness) {}

  /** The process answers: no dependency is asked, or an outage elsewhere would restart every instance. */
  @Get('health/live')
  live() {
    return { status: 'alive' };
  }

  @Get('health/ready')
  async ready(@Res({ passthrough: true }) response: Response) {
    const report = await this.readiness.check();
    if (report.status === 'unready') response.status(503);
    return report;
  }

  @Get('metrics')
  @Header('Content-Type', 'text/plain; version=0.0.4; charset=utf-8')
  metrics(): Promise<string> {
    return renderMetrics();
  }

  /** What the `type` of every problem links to. */
  @Get('docs/errors')
  @Header('Content-Type', 'text/html; charset=utf-8')
  errors(): string {
    return errorsPage();
  }
}
