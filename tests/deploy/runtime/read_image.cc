// read_image FILE LAYOUT BLUE_FIRST CROP CHANNELS HEIGHT WIDTH: the input that an image becomes, its bytes on stdout.
#include <cstdio>
#include <cstdlib>

#include "failure.h"
#include "image_file.h"

int main(int, char** argv) {
  const std::string layout = argv[2];
  const int64_t channels = std::atoi(argv[5]), height = std::atoi(argv[6]), width = std::atoi(argv[7]);
  rdpass::Description about{};
  about.image = {layout, argv[3][0] == '1', std::atof(argv[4])};
  about.inputs.push_back({"x", "uint8", {1, height, width, channels}});
  if (layout == "nchw") about.inputs[0].shape = {1, channels, height, width};
  try {
    if (!rdpass::TakesImage(about)) return 9;
    const rdpass::Tensor tensor = rdpass::InputOf(rdpass::ReadImage(argv[1]), about);
    return std::fwrite(tensor.data(), 1, tensor.bytes(), stdout) != tensor.bytes();
  } catch (const rdpass::Failure& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return failure.code;
  }
}
