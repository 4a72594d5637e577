/* Makes the input of pixels on stdin:  prepare_image FOLDER WIDTH HEIGHT CHANNELS < pixels > input */
#include <stdio.h>
#include <stdlib.h>

#include "rdpass_network.h"

int main(int argc, char **argv) {
  const int width = argc == 5 ? atoi(argv[2]) : 0, height = argc == 5 ? atoi(argv[3]) : 0;
  const int channels = argc == 5 ? atoi(argv[4]) : 0;
  unsigned char pixels[65536], input[65536];
  rdpass_network *network = NULL;
  if (rdpass_network_open(argv[1], 0, &network) || !rdpass_network_takes_image(network)) return 1;
  if (fread(pixels, 1, sizeof(pixels), stdin) == 0) return 1;
  if (rdpass_network_prepare(network, pixels, width, height, channels, input)) {
    fprintf(stderr, "%s\n", rdpass_network_error());
    return 2;
  }
  fwrite(input, 1, rdpass_network_input(network, 0)->bytes, stdout);
  rdpass_network_close(network);
  return 0;
}
