// The form of docs/calculator.md; what is computed is in codec_sizes.js, measured in calculator_data.js.
"use strict";

(() => {
  const form = document.getElementById("calculator");
  const refusal = document.getElementById("refusal");
  const table = document.getElementById("figures");
  const measured = document.getElementById("measured");
  const WHOLE = ["dim", "valueBits", "weightBits", "maxAddends", "noiseBound"];

  const grouped = (x) => String(x).replace(/\B(?=(\d{3})+$)/g, ",");
  const short = (x) => Number(x.toPrecision(3)).toString();

  function bytes(count) {
    const units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    let size = Number(count);
    let unit = 0;
    for (; size >= 1000 && unit < units.length - 1; unit += 1) size /= 1000;
    const rounded = unit === 0 ? "" : `${short(size)} ${units[unit]} (`;
    return `${rounded}${grouped(count)} bytes${unit === 0 ? "" : ")"}`;
  }

  function whole(name) {
    const text = form.elements[name].value.replace(/[,_\s]/g, "");
    if (!/^\d{1,20}$/.test(text)) {
      const label = form.elements[name].labels[0].firstChild.textContent.trim();
      throw new RefusedError(`${label}: a whole number, please`);
    }
    return BigInt(text);
  }

  function clip() {
    const value = Number(form.elements.clip.value);
    if (!(value > 0 && Number.isFinite(value))) throw new RefusedError("Clip: a positive number");
    return value;
  }

  function rows(size, codec, step) {
    const isMasked = size.scheme === "masked";
    const found = [
      ["scheme", size.scheme],
      ["a contribution", bytes(size.numBytes)],
      ["of it ciphertexts, which are opened of a sum",
        `${grouped(size.numCiphertexts)}, ${bytes(size.numOpenedBytes)}`],
      ["slots a ciphertext" + (isMasked ? ", of the key" : ""), grouped(size.perPlaintext)],
      ["bits of a slot", String(size.slotBits)],
      ["a step of the grid, in your units", short(step)],
      ["rounding to nearest moves a value of weight 1 by, at most", short(step / 2)],
      ["addends that slots of these bits hold", grouped(size.addendsThatFit)],
    ];
    if (isMasked) {
      const [coreSvp, matzov] = size.shape.strength.map((bits) => bits.toFixed(1));
      found.push(["strength of the masks", `${coreSvp} bits by core-SVP, ${matzov} by MATZOV's model`]);
    }
    return found;
  }

  /** The measured round of this scheme and trust whose length is nearest, by ratio. */
  function nearest(size, isShared, dim) {
    const method = isShared ? `veilsum, threshold, ${size.scheme}` : "veilsum, authority";
    const away = (point) => Math.abs(Math.log(point.dim / dim));
    const points = DATA.points.filter((point) => point.method === method && point.clients <= 100);
    return points.reduce((best, point) => (away(point) < away(best) ? point : best));
  }

  function show(found, text) {
    table.tBodies[0].replaceChildren(...found.map(([name, value]) => {
      const row = document.createElement("tr");
      for (const [kind, content] of [["th", name], ["td", value]]) {
        row.appendChild(document.createElement(kind)).textContent = content;
      }
      return row;
    }));
    measured.textContent = text;
  }

  function update() {
    refusal.hidden = true;
    try {
      const codec = Object.fromEntries(WHOLE.map((name) => [name, whole(name)]));
      const isShared = form.elements.isShared.value === "yes";
      const size = contributionSize(
        codec, whole("keyBits"), form.elements.scheme.value, isShared, DATA.strengths);
      const step = clip() / Number(size.gridMax);
      const point = nearest(size, isShared, Number(codec.dim));
      const { client, server, holder } = point.seconds;
      show(rows(size, codec, step),
        `Measured: ${grouped(point.dim)} values of 16 bits, ${point.clients} clients, keys of ` +
        `${DATA.keyBits} bits, on one core of an ${DATA.machine}, ${DATA.date}: ` +
        `${short(client)} s a client, ${short(server)} s the aggregator, ${short(holder)} s a holder.`);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      refusal.textContent = `Refused: ${error.message}.`;
      refusal.hidden = false;
      show([], "");
    }
  }

  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  update();
})();
