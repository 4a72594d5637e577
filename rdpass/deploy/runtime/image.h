// Photographs as a network takes them: binary PPM and PGM files, read, scaled and put in order.
//
// Nothing is allocated before a header has been checked, and nothing larger than its image.
#ifndef RDPASS_RUNTIME_IMAGE_H_
#define RDPASS_RUNTIME_IMAGE_H_

#include <string>

#include "network.h"
#include "tensor.h"

namespace rdpass {

// Whether the network takes an image in bytes as its only input.
bool TakesImage(const Description& description);

// Whether the file begins as such an image does. Nothing is taken from a pipe: who reads it next gets all of it.
bool IsImage(const std::string& path);

// The input that the image in the file becomes: its centre, scaled as Pillow scales (bilinear, antialiased).
// Throws a Failure that names the file where it is damaged, or too large.
Tensor ReadImage(const std::string& path, const Description& description);

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_IMAGE_H_
