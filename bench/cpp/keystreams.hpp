#pragma once

/// Prints the rate of every keystream, and of the generator over it, on one core.
void measure_keystreams();
