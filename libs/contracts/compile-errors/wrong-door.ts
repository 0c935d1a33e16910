// Nor can it be bound to a durable.
import { hears } from '../src/index.js';

export const door = hears('notification', 'inventory.reserved');
