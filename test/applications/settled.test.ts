/** When the suite of real programs takes an output to keep still. */
import t from 'tap';
import { blankPicture, type Picture } from '../../src/frames/picture.js';
import { Screen } from '../loopback/screen.js';
import { settled } from './settled.js';

/** Longer than several looks of `settled`, so what changes with each look is never still. */
const STILL_MS = 1_000;

function picture(colour: number): Picture {
  const made = blankPicture(2, 2);
  made.pixels.fill(colour);
  return made;
}

/** An output that shows what `colourAt` says of the number of the look. */
function screenOf(colourAt: (look: number) => number): Screen {
  let looks = 0;
  return new Screen(() => Promise.resolve(picture(colourAt(looks++))), STILL_MS);
}

t.test('an output that changes for the last time is one picture, the last', async t => {
  t.same(await settled(screenOf(look => Math.min(look, 5))), [picture(5)]);
});

t.test('an output with a text cursor that blinks is the two pictures it goes between', async t => {
  const pictures = await settled(screenOf(look => (look < 3 ? 7 : look % 2)));
  t.equal(pictures.length, 2);
  t.ok(pictures.some(({ pixels }) => pixels[0] === 0) && pictures.some(({ pixels }) => pixels[0] === 1));
});

t.test('what is known to be wanted is waited for, though the output was still before', async t => {
  const wanted = picture(2);
  t.same(
    await settled(
      screenOf(look => (look < 15 ? 1 : 2)),
      [wanted],
    ),
    [wanted],
  );
});
