/* Calls a bundle's library as its header does not want it, then as it does:  rough_caller FOLDER < inputs > outputs */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdpass_network.h"

static int Expect(int code, int wanted, const char *said) {
  if (code == wanted && strstr(rdpass_network_error(), said) != NULL) return 0;
  fprintf(stderr, "got %d '%s', not %d '%s'\n", code, rdpass_network_error(), wanted, said);
  return 1;
}

int main(int argc, char **argv) {
  enum { kMost = 4 };
  rdpass_network *network = NULL;
  const void *inputs[kMost] = {NULL};
  void *outputs[kMost] = {NULL};
  unsigned char byte = 0;
  int i, wrong = argc != 2;
  wrong += Expect(rdpass_network_open(NULL, 0, &network), 2, "null pointer");
  wrong += Expect(rdpass_network_open(argv[1], 0, NULL), 2, "null pointer");
  wrong += Expect(rdpass_network_open(argv[1], -1, &network), 2, "threads");
  wrong += Expect(rdpass_network_open("nowhere", 0, &network), 8, "nowhere");
  wrong += network != NULL;
  if (rdpass_network_open(argv[1], 0, &network)) return fprintf(stderr, "%s\n", rdpass_network_error()), 1;
  wrong += rdpass_network_error()[0] != '\0';
  wrong += rdpass_network_input(network, -1) != NULL || rdpass_network_output(network, kMost) != NULL;
  wrong += rdpass_network_label(network, 0) != NULL || rdpass_network_labels(network) != 0;
  wrong += Expect(rdpass_network_run(NULL, inputs, outputs), 2, "null pointer");
  wrong += Expect(rdpass_network_run(network, inputs, outputs), 2, "input is a null pointer");
  wrong += Expect(rdpass_network_prepare(network, &byte, 1, 1, 3, &byte), 2, "takes no image");
  for (i = 0; i < rdpass_network_inputs(network); ++i) { /* one byte from where any type may begin */
    unsigned char *place = (unsigned char *)malloc(rdpass_network_input(network, i)->bytes + 1);
    if (fread(place + 1, 1, rdpass_network_input(network, i)->bytes, stdin) == 0) return 1;
    inputs[i] = place + 1;
  }
  wrong += Expect(rdpass_network_run(network, inputs, outputs), 2, "output is a null pointer");
  for (i = 0; i < rdpass_network_outputs(network); ++i) outputs[i] = malloc(rdpass_network_output(network, i)->bytes);
  wrong += Expect(rdpass_network_run(network, inputs, outputs), 0, "");
  for (i = 0; i < rdpass_network_outputs(network); ++i) {
    fwrite(outputs[i], 1, rdpass_network_output(network, i)->bytes, stdout);
    free(outputs[i]);
  }
  for (i = 0; i < rdpass_network_inputs(network); ++i) free((unsigned char *)(size_t)inputs[i] - 1);
  rdpass_network_close(network);
  rdpass_network_close(NULL);
  return wrong;
}
