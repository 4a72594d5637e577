/* The network of a bundle, for programs in C and whatever calls C: link librdpass_network.so, or load it with dlopen.
 *
 *   rdpass_network *network;
 *   if (rdpass_network_open("student.rdp", 0, &network)) fprintf(stderr, "%s\n", rdpass_network_error());
 *   rdpass_network_run(network, inputs, outputs);
 *   rdpass_network_close(network);
 *
 * The library belongs to one bundle, and lies in it. It was built with the digests of what it reads there: whoever
 * trusts the library can trust the network. Where the bundle has TVM's runtime, it looks for it in lib/ beside itself.
 * What is loaded has to find TVM's functions: give dlopen RTLD_GLOBAL. C++ has rdpass_network.hpp, which does so.
 *
 * What can fail returns one of the codes, and rdpass_network_error says why. One network runs once at a time; several
 * may run at the same time.
 */
#ifndef RDPASS_NETWORK_H_
#define RDPASS_NETWORK_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  RDPASS_NETWORK_OK = 0,
  RDPASS_NETWORK_FAILED = 1,      /* the network failed, or there is no memory */
  RDPASS_NETWORK_BAD_ARGUMENT = 2,
  RDPASS_NETWORK_NOT_AS_BUILT = 8 /* a file of the bundle was changed, or this CPU lacks what it was built for */
};

/* An opened network. */
typedef struct rdpass_network rdpass_network;

/* An input or output: its name, numpy's name of its type ("float32"), its extents, its bytes. */
typedef struct {
  const char *name;
  const char *dtype;
  int32_t rank;
  const int64_t *shape;
  size_t bytes;
} rdpass_network_tensor;

/* Checks this CPU and the bundle in `folder`, and makes its network ready. `threads` is 0 for what the runtime chooses.
 * TVM's number of threads is one for the whole process: another one is refused once it has been chosen. */
int rdpass_network_open(const char *folder, int threads, rdpass_network **network);

/* Frees it. NULL is let be. */
void rdpass_network_close(rdpass_network *network);

/* How many there are. */
int rdpass_network_inputs(const rdpass_network *network);
int rdpass_network_outputs(const rdpass_network *network);
int rdpass_network_labels(const rdpass_network *network);

/* The one with that index, which lives as long as the network; NULL where there is none. */
const rdpass_network_tensor *rdpass_network_input(const rdpass_network *network, int index);
const rdpass_network_tensor *rdpass_network_output(const rdpass_network *network, int index);
const char *rdpass_network_label(const rdpass_network *network, int index);

/* 1 where the only input is one image in bytes (a bundle compiled with --preprocess), else 0. */
int rdpass_network_takes_image(const rdpass_network *network);

/* Makes the input of an image of any size: its centre, scaled as ./run scales (bilinear, antialiased). `pixels` has
 * `height` rows of `width` pixels of `channels` bytes without gaps: 3, red first, or 1, grey. `input` has room for the
 * bytes of input 0. */
int rdpass_network_prepare(const rdpass_network *network, const uint8_t *pixels, int width, int height, int channels,
                           void *input);

/* One inference. `inputs` and `outputs` hold a pointer to every tensor, whole and in C order; an input that begins at
 * no multiple of 64 is copied first. Inputs are not changed. NaN and infinities are not looked for: kernels drop NaN at
 * comparisons, and outputs may not show it. */
int rdpass_network_run(rdpass_network *network, const void *const inputs[], void *const outputs[]);

/* What the last failure of this thread was, in one line; empty where there was none. */
const char *rdpass_network_error(void);

#ifdef __cplusplus
}
#endif

#endif /* RDPASS_NETWORK_H_ */
