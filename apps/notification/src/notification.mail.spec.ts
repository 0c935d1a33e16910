import { CANCEL_REASONS } from '@pavane/contracts';
import { mailOf } from './notification.mail.js';
import { messageIdOf } from './notification.js';

const orderId = '01990000-0000-7000-8000-000000000001';
const total = { amount: 9805, currency: 'EUR' };
const email = 'ada@example.com';

describe('the mail', () => {
  it('of a confirmed order has a Message-ID that every try shares', () => {
    const mail = mailOf(orderId, { email, total });
    expect(mail).toEqual({
      messageId: messageIdOf(orderId, 'confirmed'),
      to: email,
      subject: `Your order ${orderId} is confirmed`,
      text: expect.stringContaining('98.05 EUR'),
    });
    expect(mailOf(orderId, { email, total })).toEqual(mail);
  });

  it.each(CANCEL_REASONS)('of an order cancelled for %s says why', (reason) => {
    const mail = mailOf(orderId, { email, total, reason });
    expect(mail.messageId).toBe(messageIdOf(orderId, 'cancelled'));
    expect(mail.text).toMatch(/98\.05 EUR was cancelled: \w/);
  });
});
