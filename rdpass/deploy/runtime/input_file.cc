#include "input_file.h"

#include <cerrno>
#include <cstring>

#include "failure.h"

namespace rdpass {

void RefuseInput(const std::string& path, const std::string& reason) { throw Failure(kUsage, path + ": " + reason); }

InputFile OpenInput(const std::string& path) {
  InputFile file(std::fopen(path.c_str(), "rb"));
  if (!file) RefuseInput(path, std::string("can't be read: ") + std::strerror(errno));
  return file;
}

}  // namespace rdpass
