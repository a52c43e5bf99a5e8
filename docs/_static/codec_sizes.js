// What a codec comes to: bits of a slot, slots, ciphertexts, bytes. Integers are BigInt, so that
// figures are exact; tests/test_calculator.py compares them with those of the library.
"use strict";

class RefusedError extends Error {}

const bitLength = (x) => (x === 0n ? 0 : x.toString(2).length);
const ceilDiv = (a, b) => (a + b - 1n) / b;
const lesser = (a, b) => (a < b ? a : b);
const greater = (a, b) => (a > b ? a : b);

function within(name, value, least, most) {
  if (value < least || value > most) {
    throw new RefusedError(`${name} must lie between ${least} and ${most}`);
  }
}

// ---- the codec: cpp/veilsum/codec/slots.cpp ----

/** Of `{dim, valueBits, weightBits, maxAddends, noiseBound}`, all BigInt. */
function gridOf(codec) {
  within("the number of values", codec.dim, 1n, 1n << 40n);
  within("value bits", codec.valueBits, 2n, 40n);
  within("weight bits", codec.weightBits, 0n, 40n - codec.valueBits);
  within("the number of addends", codec.maxAddends, 1n, (1n << 63n) - 1n);
  within("the noise bound", codec.noiseBound, 0n, (1n << 63n) - 1n);
  const gridMax = ((1n << (codec.valueBits - 1n)) - 1n) << codec.weightBits;
  const maxSlot = gridMax * codec.maxAddends + codec.noiseBound;
  if (maxSlot >> 61n) {
    throw new RefusedError(
      "a sum would need slots of more than 62 bits; lower the bits, the addends or the noise");
  }
  const slotBits = BigInt(bitLength(maxSlot) + 1);
  // So many addends fit slots of these bits; the codec still refuses more than its own.
  const addendsThatFit = ((1n << (slotBits - 1n)) - 1n - codec.noiseBound) / gridMax;
  return { gridMax, maxSlot, slotBits, addendsThatFit, numSlots: codec.dim + 1n };
}

// ---- slots in Paillier plaintexts ----

/** How many slots lie in a plaintext below n, the smallest modulus of so many bits. */
function slotsPerPlaintext(maxSlot, keyBits) {
  const n = (1n << (keyBits - 1n)) + 1n;
  const slotBits = BigInt(bitLength(maxSlot) + 1);
  const bound = n * ((1n << slotBits) - 1n);
  let count = (keyBits + 1n) / slotBits;
  while (count > 0n && 2n * maxSlot * ((1n << (count * slotBits)) - 1n) >= bound) count -= 1n;
  if (count === 0n) throw new RefusedError("a slot does not fit a plaintext; take a larger key");
  return count;
}

function packedSize(grid, keyBits) {
  const perPlaintext = slotsPerPlaintext(grid.maxSlot, keyBits);
  const numCiphertexts = ceilDiv(grid.numSlots, perPlaintext);
  const numBytes = numCiphertexts * 2n * ceilDiv(keyBits, 8n);
  return { scheme: "packed", perPlaintext, numCiphertexts, numBytes, numOpenedBytes: numBytes };
}

// ---- masks: cpp/veilsum/lattice/mask_shape.cpp ----

function powerMod(base, exponent, modulus) {
  let result = 1n;
  for (base %= modulus; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % modulus;
    base = (base * base) % modulus;
  }
  return result;
}

/** Miller and Rabin's test; with these bases it is right below 3.4e14, and q is below 2^46. */
function isPrime(q) {
  const bases = [2n, 3n, 5n, 7n, 11n, 13n, 17n];
  if (bases.some((p) => q % p === 0n)) return false;
  let odd = q - 1n;
  let twos = 0;
  for (; odd % 2n === 0n; odd /= 2n) twos += 1;
  return bases.every((base) => {
    let x = powerMod(base, odd, q);
    if (x === 1n || x === q - 1n) return true;
    for (let i = 1; i < twos; i += 1) {
      x = (x * x) % q;
      if (x === q - 1n) return true;
    }
    return false;
  });
}

/** The product of the largest primes of so many bits that are 1 modulo 2N. */
function ringModulus(logDim, numPrimes, primeBits) {
  const step = 2n << BigInt(logDim);
  let modulus = 1n;
  let found = 0;
  for (let q = (1n << BigInt(primeBits)) + 1n - step; found < numPrimes; q -= step) {
    if (isPrime(q)) {
      modulus *= q;
      found += 1;
    }
  }
  return modulus;
}

/** The smallest m with m >= widths * 6.4 * sqrt(n). */
function deviations(widths, n) {
  const square = (widths * 32n) ** 2n * n;
  let low = 0n;
  let high = 1n << BigInt(bitLength(square));
  while (low < high) {
    const middle = (low + high) / 2n;
    if ((5n * middle) ** 2n >= square) high = middle;
    else low = middle + 1n;
  }
  return low;
}

function strengthOf(shape, maxAddends, strengths) {
  const bits = shape.numPrimes * shape.primeBits;
  const ring = strengths.find((each) => each[0] === shape.logDim && each[1] >= bits);
  const lost = Math.log2(Number(maxAddends) * 10000);
  return ring ? [ring[2] - lost, ring[3] - lost] : [-lost, -lost];
}

function bodyBytes(shape, numSlots) {
  const dim = 1n << BigInt(shape.logDim);
  const [digits, bits] = [BigInt(shape.numDigits), BigInt(shape.primeBits)];
  // Eight strings of residues, each in whole words of 64 bits.
  const bytesOf = (n) => BigInt(shape.numPrimes) * ceilDiv((n / 8n) * bits, 64n) * 64n;
  const numBlocks = ceilDiv(numSlots, digits * dim);
  const wanted = ceilDiv(ceilDiv(numSlots - (numBlocks - 1n) * digits * dim, digits), 8n) * 8n;
  const last = lesser(dim, greater(numBlocks === 1n ? 128n : 8n, wanted));
  return (numBlocks - 1n) * bytesOf(dim) + bytesOf(last);
}

function maskShape(grid, maxAddends, strengths) {
  within("the number of addends of masked sums", maxAddends, 1n, 1n << 24n);
  const guard = (grid.maxSlot + 63n) / 64n;
  const base = 2n * (grid.maxSlot + guard) + 1n;
  const slack = BigInt(1 + bitLength(deviations(16n, maxAddends) - 1n));
  const maxSecret = (1n << BigInt(bitLength(deviations(15n, maxAddends)))) - 1n;
  const addendBits = bitLength(maxAddends);
  let best = null;
  for (const [logDim, numPrimes] of [[11, 1], [12, 2]]) {
    for (let numDigits = 1; numDigits <= 16; numDigits += 1) {
      const sums = (1n << slack) * base ** BigInt(numDigits);
      let primeBits = 24;
      const hasRoom = () =>
        primeBits + addendBits < 63 && sums < ringModulus(logDim, numPrimes, primeBits);
      while (primeBits <= 46 && !hasRoom()) primeBits += 1;
      if (primeBits > 46) break;
      const shape = { logDim, numPrimes, primeBits, numDigits, maxSecret };
      shape.strength = strengthOf(shape, maxAddends, strengths);
      shape.bodyBytes = bodyBytes(shape, grid.numSlots);
      const keyBytes = (2 ** logDim * Math.log2(2 * Number(maxSecret) + 1)) / 4;
      shape.total = keyBytes + Number(shape.bodyBytes);
      if (shape.strength[1] >= 128 && isBetter(shape, best)) best = shape;
    }
  }
  if (best === null) throw new RefusedError("no mask has room for such slots and so many addends");
  return best;
}

/** At least 128 bits by core-SVP where there is such a shape; then the fewest bytes. */
function isBetter(shape, best) {
  if (best === null) return true;
  const [isStrong, bestIsStrong] = [shape.strength[0] >= 128, best.strength[0] >= 128];
  return isStrong === bestIsStrong ? shape.total < best.total : isStrong;
}

function maskedSize(grid, keyBits, maxAddends, strengths) {
  const shape = maskShape(grid, maxAddends, strengths);
  const perPlaintext = slotsPerPlaintext(shape.maxSecret, keyBits);
  const numCiphertexts = ceilDiv(1n << BigInt(shape.logDim), perPlaintext);
  const numOpenedBytes = numCiphertexts * 2n * ceilDiv(keyBits, 8n);
  const numBytes = numOpenedBytes + shape.bodyBytes;
  return { scheme: "masked", perPlaintext, numCiphertexts, numBytes, numOpenedBytes, shape };
}

// ---- what a federation takes ----

/** `scheme` is "packed", "masked", or "auto"; `isShared`: holders share the key. */
function contributionSize(codec, keyBits, scheme, isShared, strengths) {
  within("key bits", keyBits, 2047n, 16384n);
  const grid = gridOf(codec);
  if (scheme === "packed" && !isShared) {
    throw new RefusedError("whoever has the whole key would read packed contributions");
  }
  const masked = () => maskedSize(grid, keyBits, codec.maxAddends, strengths);
  let size;
  if (scheme === "packed") size = packedSize(grid, keyBits);
  else if (scheme === "masked" || !isShared) size = masked();
  else {
    size = packedSize(grid, keyBits);
    try {
      const other = masked();
      if (other.numBytes < size.numBytes) size = other;
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error; // There is no mask: packed.
    }
  }
  return { ...grid, ...size };
}

if (typeof module !== "undefined") module.exports = { contributionSize, RefusedError };
