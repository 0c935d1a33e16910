import { given } from './given.js';

/** A door that may be opened and closed, and never both. */
const door = {
  initial: () => ({ open: false }),
  decide: (message: { type: 'open' | 'close'; orderId: string }, { open }: { open: boolean }, now: Date) =>
    open === (message.type === 'open') ? [] : [{ type: message.type, at: now.toISOString() }],
  evolve: (state: { open: boolean }, fact: { type: 'open' | 'close'; at: string }) => {
    if (state.open === (fact.type === 'open')) throw new Error(`the door is ${fact.type} already`);
    return { open: fact.type === 'open' };
  },
};
const noon = new Date('2030-01-01T12:00:00Z');
const open = { type: 'open' as const, orderId: '1' };
const close = { type: 'close' as const, orderId: '1' };

describe('given … when … then', () => {
  it('passes when exactly these facts follow', () => {
    given(door, '1').at(noon).when(open).then({ type: 'open', at: '2030-01-01T12:00:00.000Z' });
    given(door, '1').after(open).when(open).thenNothing();
    given(door, '1').from({ open: true }).when(open).thenNothing();
    expect(given(door, '1').after(open, close).state).toEqual({ open: false });
    expect(given(door, '1').after(open).when(close).state).toEqual({ open: false });
  });

  it('fails with a difference when other facts follow, or none, or too many', () => {
    const scenario = given(door, '1').at(noon);
    expect(() => scenario.when(open).then({ type: 'close', at: noon.toISOString() })).toThrow('close');
    expect(() => scenario.when(open).thenNothing()).toThrow('2030');
    expect(() => scenario.when(close).then({ type: 'close', at: noon.toISOString() })).toThrow();
  });

  it('tells a broken rule from one that is kept, wherever it breaks', () => {
    const broken = { ...door, decide: () => [{ type: 'close' as const, at: '' }] };
    given(broken, '1')
      .when(close)
      .thenThrows(/close already/);
    expect(() =>
      given(broken, '1')
        .when(close)
        .thenThrows(/another reason/),
    ).toThrow();
    expect(() => given(door, '1').when(open).thenThrows(/./)).toThrow();
  });
});
