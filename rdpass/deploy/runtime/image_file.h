// Photographs in files: binary PPM and PGM, and JPEG and PNG where a decoder was built in.
//
// Nothing is allocated before a header has been checked, and nothing much larger than its image.
#ifndef RDPASS_RUNTIME_IMAGE_FILE_H_
#define RDPASS_RUNTIME_IMAGE_FILE_H_

#include <string>

#include "image.h"

namespace rdpass {

// Whether the file begins as such an image does. Nothing is taken from a pipe: who reads it next gets all of it.
bool IsImage(const std::string& path);

// The upright image in the file. Throws a Failure that names the file where it is damaged, too large, or not read.
Pixels ReadImage(const std::string& path);

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_IMAGE_FILE_H_
