import { Controller, Get, Inject } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { PG_POOL } from '@pavane/outbox';
import type { Pool } from 'pg';

/** What is on the shelves, for people who run the platform. */
@ApiTags('stock')
@Controller('stock')
export class StockHttpController {
  constructor(@Inject(PG_POOL) private readonly pool: Pool) {}

  @Get()
  async stock() {
    return (await this.pool.query('SELECT sku, initial, available, reserved, sold FROM stock ORDER BY sku')).rows;
  }
}
