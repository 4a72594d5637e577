// Files that somebody names, opened to be read.
#ifndef RDPASS_RUNTIME_INPUT_FILE_H_
#define RDPASS_RUNTIME_INPUT_FILE_H_

#include <cstdio>
#include <memory>
#include <string>

namespace rdpass {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using InputFile = std::unique_ptr<std::FILE, CloseFile>;

// Throws a Failure that names the file.
[[noreturn]] void RefuseInput(const std::string& path, const std::string& reason);

// Throws a Failure where it can't be opened.
InputFile OpenInput(const std::string& path);

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_INPUT_FILE_H_
