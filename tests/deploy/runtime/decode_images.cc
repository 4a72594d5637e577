// decode_images FILE...: a line for each image, "WIDTH HEIGHT CHANNELS", or why it was refused. With DUMP in the
// environment the pixels follow.
#include <cstdio>
#include <cstdlib>

#include "failure.h"
#include "image_file.h"

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    try {
      const rdpass::Pixels image = rdpass::ReadImage(argv[i]);
      std::printf("%d %d %d\n", image.width, image.height, image.channels);
      if (std::getenv("DUMP") != nullptr) std::fwrite(image.bytes.data(), 1, image.bytes.size(), stdout);
    } catch (const rdpass::Failure& failure) {
      std::printf("%s\n", failure.what());
      if (failure.code != rdpass::kUsage) return 1;
    }
  }
}
