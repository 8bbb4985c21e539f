/** Settings of an X screen: their bytes, what they say of a scale, and that they are another program's to say where it wants. */
import t from 'tap';
import { internAtoms } from '../../src/x11/atoms.js';
import { property, window } from '../../src/x11/replies.js';
import { createWindow, getProperty, getSelectionOwner, setSelectionOwner } from '../../src/x11/requests.js';
import { encodeSettings, scaleSettings } from '../../src/x11/xsettings.js';
import { Desk } from './desk.js';
import { connectTo, settled } from './x-client.js';

const NAMES = ['_XSETTINGS_S0', '_XSETTINGS_SETTINGS'] as const;

t.setTimeout(100_000);

t.test('they are encoded as toolkits read them', async t => {
  const bytes = encodeSettings(new Map([['Xft/DPI', 0x12345]]));
  t.same(
    [...bytes],
    [
      ...[0, 0, 0, 0], // the byte order
      ...[0, 0, 0, 0], // serial
      ...[1, 0, 0, 0], // how many
      ...[0, 0, 7, 0], // a whole number, the length of its name
      ...Buffer.from('Xft/DPI\0'),
      ...[0, 0, 0, 0], // serial of its change
      ...[0x45, 0x23, 1, 0],
    ],
  );
  t.equal(encodeSettings(new Map()).length, 12);
});

t.test('a whole factor enlarges all, and a resolution what is left', async t => {
  const of = (scale: number): number[] => [...scaleSettings(scale).values()];
  const dpi = 96 * 1024;
  t.same([...scaleSettings(2).keys()], ['Gdk/WindowScalingFactor', 'Gdk/UnscaledDPI', 'Xft/DPI']);
  t.same(of(1), [1, dpi, dpi]);
  t.same(of(1.5), [1, 1.5 * dpi, 1.5 * dpi]);
  t.same(of(2), [2, dpi, 2 * dpi]);
  t.same(of(2.5), [2, 1.25 * dpi, 2.5 * dpi]);
  t.same(of(3), [3, dpi, 3 * dpi]);
});

for (const scale of [1, 2]) {
  t.test(`on the X screen at scale ${scale}`, async t => {
    const desk = await Desk.open(t, { x11: ['--scale', String(scale)] });
    const { x, setup } = await connectTo(desk.display, desk.authority);
    t.teardown(() => x.close());
    const ask = (question: Uint8Array): Promise<Uint8Array> => new Promise(answered => x.ask(question, answered));
    const atoms = await new Promise<Readonly<Record<(typeof NAMES)[number], number>>>(known =>
      internAtoms(x, NAMES, known),
    );
    const ownerNow = async (): Promise<number> => window(await ask(getSelectionOwner(atoms._XSETTINGS_S0)));
    const owner = await ownerNow();
    if (scale === 1) {
      t.equal(owner, 0, 'there are none where nothing is enlarged');
      return;
    }
    const told = property(await ask(getProperty(owner, atoms._XSETTINGS_SETTINGS, 1000)));
    t.same([...told.value], [...encodeSettings(scaleSettings(scale))]);

    const own = x.newId();
    x.send(createWindow(own, setup.root, false));
    x.send(setSelectionOwner(own, atoms._XSETTINGS_S0));
    await settled(x);
    t.equal(await ownerNow(), own, 'a program may say its own');
    t.notMatch(desk.said(), /error/);
  });
}
