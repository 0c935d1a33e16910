import { Controller, Get, Injectable } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Money, OrderItem } from '@pavane/contracts';
import { orderProblem } from './order.problems.js';
import { OrderDatabase } from './order.store.js';

/** What is sold, and at which price. */
@Injectable()
export class Catalogue {
  constructor(private readonly database: OrderDatabase) {}

  products() {
    return this.database.product.findMany({ orderBy: { sku: 'asc' } });
  }

  /** The price of these lines. Throws a problem that names each line whose SKU is unknown. */
  async total(items: readonly OrderItem[]): Promise<Money> {
    const found = await this.database.product.findMany({ where: { sku: { in: items.map((item) => item.sku) } } });
    const products = new Map(found.map((product) => [product.sku, product]));
    const errors = items.flatMap(({ sku }, i) =>
      products.has(sku)
        ? []
        : [
            {
              field: `items[${i}].sku`,
              message: `"${sku}" is not in the catalogue`,
              remedy: 'Take a sku that GET /products lists.',
            },
          ],
    );
    if (errors.length > 0) throw orderProblem('invalid-request', { errors });
    if (new Set(found.map(({ currency }) => currency)).size > 1) {
      throw orderProblem('invalid-request', {
        errors: [{ field: 'items', message: 'are priced in different currencies', remedy: 'Order them apart.' }],
      });
    }
    const amount = items.reduce((sum, { sku, quantity }) => sum + products.get(sku)!.price * quantity, 0);
    if (amount > 2_147_483_647) {
      throw orderProblem('invalid-request', {
        errors: [
          { field: 'items', message: 'the total is too large for one order', remedy: 'Split it into several orders.' },
        ],
      });
    }
    return { amount, currency: found[0]!.currency };
  }
}

@ApiTags('products')
@Controller('products')
export class CatalogueHttpController {
  constructor(private readonly catalogue: Catalogue) {}

  @Get()
  async products() {
    return (await this.catalogue.products()).map(({ sku, name, price, currency }) => ({
      sku,
      name,
      price: { amount: price, currency },
    }));
  }
}
