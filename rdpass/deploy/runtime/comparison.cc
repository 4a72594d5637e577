#include "comparison.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "failure.h"

namespace rdpass {
namespace {

// IEEE half precision.
double HalfToDouble(uint16_t bits) {
  const int exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
  const double sign = bits >> 15 ? -1.0 : 1.0;
  if (exponent == 31) return fraction ? std::nan("") : sign * std::numeric_limits<double>::infinity();
  return sign * (exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24));
}

double Half(const void* data, size_t index) {
  uint16_t bits;
  std::memcpy(&bits, static_cast<const char*>(data) + 2 * index, sizeof(bits));
  return HalfToDouble(bits);
}

template <typename Number>
double Element(const void* data, size_t index) {
  return static_cast<double>(static_cast<const Number*>(data)[index]);
}

using Reader = double (*)(const void* data, size_t index);

Reader ReaderOf(const TensorSpec& spec) {
  static const struct {
    const char* dtype;
    Reader reader;
  } kReaders[] = {
      {"float32", Element<float>},    {"float64", Element<double>},   {"float16", Half},
      {"int8", Element<int8_t>},      {"int16", Element<int16_t>},    {"int32", Element<int32_t>},
      {"int64", Element<int64_t>},    {"uint8", Element<uint8_t>},    {"uint16", Element<uint16_t>},
      {"uint32", Element<uint32_t>},  {"uint64", Element<uint64_t>},  {"bool", Element<uint8_t>},
  };
  for (const auto& entry : kReaders) {
    if (spec.dtype == entry.dtype) return entry.reader;
  }
  throw Failure(kUsage, "'" + spec.name + "' is of type " + spec.dtype + ", which can't be compared");
}

}  // namespace

double RelativeError(const TensorSpec& spec, const Tensor& actual, const Tensor& expected) {
  const Reader at = ReaderOf(spec);
  double largest = 0, magnitude = 0;
  for (size_t i = 0, count = ElementCount(spec); i < count; ++i) {
    const double a = at(actual.data(), i), e = at(expected.data(), i);
    if (!std::isfinite(a) || !std::isfinite(e)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(a - e));
    magnitude = std::max(magnitude, std::abs(e));
  }
  return largest / (magnitude > 0 ? magnitude : 1.0);
}

}  // namespace rdpass
