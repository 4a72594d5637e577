// On aarch64 the kernel says in two words what user programs may execute (arch/arm64/include/uapi/asm/hwcap.h), which
// holds under an emulator and in a container without /proc too. Elsewhere the words are read from /proc/cpuinfo.
#include "cpu_features.h"

#if defined(__aarch64__)
#include <sys/auxv.h>
#else
#include <cstdio>
#include <cstring>
#endif

#include "failure.h"

namespace rdpass {
namespace {

#if defined(__aarch64__)

struct Feature {
  const char* name;
  unsigned long type;
  int bit;
};

constexpr Feature kFeatures[] = {
    {"fp", AT_HWCAP, 0},        {"asimd", AT_HWCAP, 1},     {"aes", AT_HWCAP, 3},      {"pmull", AT_HWCAP, 4},
    {"sha1", AT_HWCAP, 5},      {"sha2", AT_HWCAP, 6},      {"crc32", AT_HWCAP, 7},    {"atomics", AT_HWCAP, 8},
    {"fphp", AT_HWCAP, 9},      {"asimdhp", AT_HWCAP, 10},  {"asimdrdm", AT_HWCAP, 12}, {"jscvt", AT_HWCAP, 13},
    {"fcma", AT_HWCAP, 14},     {"lrcpc", AT_HWCAP, 15},    {"dcpop", AT_HWCAP, 16},   {"sha3", AT_HWCAP, 17},
    {"asimddp", AT_HWCAP, 20},  {"sha512", AT_HWCAP, 21},   {"sve", AT_HWCAP, 22},     {"asimdfhm", AT_HWCAP, 23},
    {"uscat", AT_HWCAP, 25},    {"ilrcpc", AT_HWCAP, 26},   {"flagm", AT_HWCAP, 27},   {"ssbs", AT_HWCAP, 28},
    {"sb", AT_HWCAP, 29},       {"paca", AT_HWCAP, 30},     {"pacg", AT_HWCAP, 31},    {"sve2", AT_HWCAP2, 1},
    {"svebf16", AT_HWCAP2, 12}, {"svei8mm", AT_HWCAP2, 9},  {"i8mm", AT_HWCAP2, 13},   {"bf16", AT_HWCAP2, 14},
    {"frint", AT_HWCAP2, 8},    {"flagm2", AT_HWCAP2, 7},   {"bti", AT_HWCAP2, 17},    {"sme", AT_HWCAP2, 23},
};

bool IsMissing(const std::string& name) {
  for (const Feature& feature : kFeatures) {
    if (name == feature.name) return (getauxval(feature.type) >> feature.bit & 1) == 0;
  }
  return false;
}

#else

// The words of this machine's first "flags" line, with spaces around them; empty where there is none.
std::string ReadWords() {
  std::string words;
  std::FILE* file = std::fopen("/proc/cpuinfo", "r");
  if (file == nullptr) return words;
  bool wanted = false, line_start = true;
  for (char part[256]; std::fgets(part, sizeof(part), file) != nullptr;) {
    if (line_start) {
      if (wanted) break;
      wanted = std::strncmp(part, "flags", 5) == 0 || std::strncmp(part, "Features", 8) == 0;
    }
    if (wanted) words += part;
    line_start = std::strchr(part, '\n') != nullptr;
  }
  std::fclose(file);
  for (char& letter : words) {
    if (letter == '\n' || letter == '\t') letter = ' ';
  }
  return words;
}

bool IsMissing(const std::string& name) {
  static const std::string kWords = ReadWords();
  return !kWords.empty() && kWords.find(" " + name + " ") == std::string::npos;
}

#endif

}  // namespace

std::vector<std::string> MissingFeatures(const std::vector<std::string>& features) {
  std::vector<std::string> missing;
  for (const std::string& name : features) {
    if (IsMissing(name)) missing.push_back(name);
  }
  return missing;
}

void CheckCpu(const Description& description) {
  const std::vector<std::string> missing = MissingFeatures(description.features);
  if (missing.empty()) return;
  std::string names;
  for (const std::string& name : missing) names += (names.empty() ? "" : ", ") + name;
  throw Failure(kWrongCpu, "built for " + description.target + ", and this CPU has no " + names +
                               "; compile the network for this board's target");
}

}  // namespace rdpass
