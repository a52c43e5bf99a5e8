#pragma once

/// Prints what masking, adding and opening a vector costs on one core, step by step.
void measure_masks();
