// Memory of one tensor, aligned as networks ask, and what can be told from its type.
#ifndef RDPASS_RUNTIME_TENSOR_H_
#define RDPASS_RUNTIME_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "network.h"

namespace rdpass {

// Bytes of one element.
size_t ItemSize(const TensorSpec& spec);

// How many elements; 1 for a scalar.
size_t ElementCount(const TensorSpec& spec);

// Bytes of the whole tensor. Throws where they are more than memory can have.
size_t ByteCount(const TensorSpec& spec);

// The index of the first element that is not a number or infinite; as many as there are where none is.
size_t FirstNotFinite(const TensorSpec& spec, const void* data);

// A shape as Python prints a tuple: "()", "(3,)", "(1, 3)".
std::string ShapeText(const TensorSpec& spec);

class Tensor {
 public:
  explicit Tensor(const TensorSpec& spec);
  void* data() { return data_.get(); }
  const void* data() const { return data_.get(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* data) const { std::free(data); }
  };
  size_t bytes_;
  std::unique_ptr<void, Free> data_;
};

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_TENSOR_H_
