// Answers cases of tests/test_calculator.py with the script of docs/calculator.md.
"use strict";
const { contributionSize, RefusedError } = require(process.argv[2]);
const { strengths, cases } = JSON.parse(require("fs").readFileSync(0, "utf8"));

function answer({ codec, keyBits, scheme, isShared }) {
  const big = Object.fromEntries(Object.entries(codec).map(([k, v]) => [k, BigInt(v)]));
  try {
    const size = contributionSize(big, BigInt(keyBits), scheme, isShared, strengths);
    return { ...size, strength: size.shape?.strength ?? null, shape: undefined };
  } catch (error) {
    if (error instanceof RefusedError) return null;
    throw error;
  }
}

const text = (_, value) => (typeof value === "bigint" ? String(value) : value);
process.stdout.write(JSON.stringify(cases.map(answer), text));
