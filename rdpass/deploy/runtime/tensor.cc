#include "tensor.h"

#include <new>

#include "failure.h"

namespace rdpass {
namespace {

// Of IEEE numbers: an exponent of ones alone, which is what `mask` covers.
template <typename Bits>
size_t FirstWithAll(const void* data, size_t count, Bits mask) {
  const Bits* const bits = static_cast<const Bits*>(data);
  size_t i = 0;
  while (i < count && (bits[i] & mask) != mask) ++i;
  return i;
}

}  // namespace

size_t ItemSize(const TensorSpec& spec) {
  const std::string& name = spec.dtype;
  if (name == "bool") return 1;
  const size_t digits = name.find_first_of("123456789");
  return digits == std::string::npos ? 0 : std::strtoul(name.c_str() + digits, nullptr, 10) / 8;
}

size_t ElementCount(const TensorSpec& spec) {
  size_t count = 1;
  for (int64_t extent : spec.shape) {
    if (extent < 0 || __builtin_mul_overflow(count, static_cast<size_t>(extent), &count)) {
      throw Failure(kUsage, "'" + spec.name + "' of shape " + ShapeText(spec) + " does not fit into memory");
    }
  }
  return count;
}

size_t ByteCount(const TensorSpec& spec) {
  size_t bytes = 0;
  if (__builtin_mul_overflow(ElementCount(spec), ItemSize(spec), &bytes) || bytes > PTRDIFF_MAX) {
    throw Failure(kUsage, "'" + spec.name + "' of shape " + ShapeText(spec) + " does not fit into memory");
  }
  return bytes;
}

size_t FirstNotFinite(const TensorSpec& spec, const void* data) {
  const size_t count = ElementCount(spec);
  if (spec.dtype == "float32") return FirstWithAll<uint32_t>(data, count, 0x7f800000);
  if (spec.dtype == "float16") return FirstWithAll<uint16_t>(data, count, 0x7c00);
  if (spec.dtype == "float64") return FirstWithAll<uint64_t>(data, count, 0x7ff0000000000000);
  return count;
}

std::string ShapeText(const TensorSpec& spec) {
  std::string text;
  for (int64_t extent : spec.shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return "(" + text + (spec.shape.size() == 1 ? ",)" : ")");
}

Tensor::Tensor(const TensorSpec& spec) : bytes_(ByteCount(spec)) {
  void* data = nullptr;
  if (posix_memalign(&data, kAlignment, bytes_ + 1) != 0) throw std::bad_alloc();
  data_.reset(data);
}

}  // namespace rdpass
