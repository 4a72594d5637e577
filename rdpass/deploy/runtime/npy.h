// Reads and writes .npy files as numpy.save writes them: little-endian, C order, format 1.0 to 3.0.
//
// A file is accepted only if it is exactly the tensor that is wanted. Whatever else it holds, it is refused with a
// Failure that names it, before anything of its size is allocated.
#ifndef RDPASS_RUNTIME_NPY_H_
#define RDPASS_RUNTIME_NPY_H_

#include <string>

#include "network.h"
#include "new_file.h"
#include "tensor.h"

namespace rdpass {

// The tensor in the file, which has to be what `spec` says.
Tensor ReadNpy(const std::string& path, const TensorSpec& spec);

// Writes the tensor as a file of its own.
void WriteNpy(NewFile& file, const TensorSpec& spec, const Tensor& tensor);

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_NPY_H_
