/* Two networks in one program, each with an arena of its own: the second runs between two runs of the first.
 * Reads the inputs of both from stdin, `cat` before `Dog2`, and writes their outputs to stdout in the same order. */
#include <stdio.h>
#include <string.h>

#include "Dog2.h"
#include "cat.h"

static _Alignas(CAT_ALIGNMENT) unsigned char cat_arena[CAT_ARENA_BYTES];
static _Alignas(DOG2_ALIGNMENT) unsigned char dog_arena[DOG2_ARENA_BYTES];
static _Alignas(16) unsigned char cat_in[CAT_INPUT_0_BYTES], cat_first[CAT_OUTPUT_0_BYTES], cat_out[CAT_OUTPUT_0_BYTES];
static _Alignas(16) unsigned char dog_in[2][DOG2_INPUT_0_BYTES > DOG2_INPUT_1_BYTES ? DOG2_INPUT_0_BYTES
                                                                                    : DOG2_INPUT_1_BYTES];
static _Alignas(16) unsigned char dog_out[2][DOG2_OUTPUT_0_BYTES > DOG2_OUTPUT_1_BYTES ? DOG2_OUTPUT_0_BYTES
                                                                                      : DOG2_OUTPUT_1_BYTES];

int main(void) {
  const void *cat_inputs_[] = {cat_in}, *dog_inputs_[] = {dog_in[0], dog_in[1]};
  void *cat_outputs_[] = {cat_out}, *first[] = {cat_first}, *dog_outputs_[] = {dog_out[0], dog_out[1]};
  cat *one = cat_init(cat_arena, sizeof(cat_arena));
  Dog2 *other = Dog2_init(dog_arena, sizeof(dog_arena));
  int i;
  if (fread(cat_in, 1, sizeof(cat_in), stdin) != sizeof(cat_in)) return 2;
  for (i = 0; i < DOG2_INPUTS; ++i) {
    if (fread(dog_in[i], 1, Dog2_inputs[i].bytes, stdin) != Dog2_inputs[i].bytes) return 2;
  }
  if (cat_run(one, cat_inputs_, first) != CAT_OK || Dog2_run(other, dog_inputs_, dog_outputs_) != DOG2_OK) return 3;
  if (cat_run(one, cat_inputs_, cat_outputs_) != CAT_OK || memcmp(cat_first, cat_out, sizeof(cat_out))) return 4;
  fwrite(cat_out, 1, sizeof(cat_out), stdout);
  for (i = 0; i < DOG2_OUTPUTS; ++i) fwrite(dog_out[i], 1, Dog2_outputs[i].bytes, stdout);
  return fflush(stdout) != 0;
}
