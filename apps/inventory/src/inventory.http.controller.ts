import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { InventoryDatabase } from './inventory.store.js';

/** What is on the shelves, for people who run the platform. */
@ApiTags('stock')
@Controller('stock')
export class StockHttpController {
  constructor(private readonly database: InventoryDatabase) {}

  @Get()
  stock() {
    return this.database.stock.findMany({ orderBy: { sku: 'asc' } });
  }
}
