/*
 * A fuzz target is one function of some bytes.  Built with clang's libFuzzer
 * (make fuzz) it is searched; built with gcc into a program of its own it
 * replays the files it is given.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
#endif
