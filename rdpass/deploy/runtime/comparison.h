// The one way numbers are compared: largest difference over largest expected magnitude.
#ifndef RDPASS_RUNTIME_COMPARISON_H_
#define RDPASS_RUNTIME_COMPARISON_H_

#include "tensor.h"

namespace rdpass {

// max|actual - expected| / max|expected|; infinite where either holds what is not finite. An expected tensor of
// nothing but zeros is compared absolutely.
double RelativeError(const TensorSpec& spec, const Tensor& actual, const Tensor& expected);

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_COMPARISON_H_
