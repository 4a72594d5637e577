#include "arguments.h"

#include <cerrno>
#include <cstdlib>

#include "failure.h"
#include "image.h"

namespace rdpass {
namespace {

constexpr int kMostRuns = 1000000, kMostThreads = 1024;
// Every time of every call is kept.
constexpr int kMostProfiled = 10000;

[[noreturn]] void Refuse(const std::string& reason, const Description& description) {
  throw Failure(kUsage, reason + "; " + Usage(description));
}

int ReadCount(const std::string& option, const char* word, int most, const Description& description) {
  const std::string range = option + " takes a number from 1 to " + std::to_string(most);
  if (word == nullptr) Refuse(range, description);
  char* end = nullptr;
  errno = 0;
  const long count = std::strtol(word, &end, 10);
  if (errno != 0 || end == word || *end != '\0' || count < 1 || count > most) Refuse(range, description);
  return static_cast<int>(count);
}

void SetMode(Arguments& arguments, Mode mode, const Description& description) {
  if (arguments.mode != Mode::kRun) Refuse("one thing at a time", description);
  arguments.mode = mode;
}

// Takes the option at argv[i], and its value if it has one; the index of the last word taken.
int ReadOption(Arguments& arguments, char** argv, int i, const Description& description) {
  const std::string word = argv[i];
  if (word == "--verify") {
    SetMode(arguments, Mode::kVerify, description);
  } else if (word == "--info") {
    SetMode(arguments, Mode::kInfo, description);
  } else if (word == "--help" || word == "-h") {
    SetMode(arguments, Mode::kHelp, description);
  } else if (word == "--bench") {
    SetMode(arguments, Mode::kBench, description);
    arguments.runs = ReadCount(word, argv[++i], kMostRuns, description);
  } else if (word == "--profile") {
    SetMode(arguments, Mode::kProfile, description);
    arguments.runs = ReadCount(word, argv[++i], kMostProfiled, description);
  } else if (word == "--threads") {
    arguments.threads = ReadCount(word, argv[++i], kMostThreads, description);
  } else if (word == "--force") {
    arguments.force = true;
  } else if (word == "--allow-nonfinite") {
    arguments.allow_nonfinite = true;
  } else {
    Refuse("there is no option " + word.substr(0, 40), description);
  }
  return i;
}

}  // namespace

std::string Usage(const Description& description) {
  const std::string image = TakesImage(description) ? "run IMAGE, which prints the likeliest classes, or " : "";
  return "usage: " + image + "run INPUT.npy... OUTPUT.npy... with " + std::to_string(description.inputs.size()) + " inputs and " +
         std::to_string(description.outputs.size()) +
         " outputs ([--force] replaces outputs, [--allow-nonfinite] takes inputs with NaN), or run --verify | --bench RUNS | --profile RUNS | --info; [--threads N] with any";
}

Arguments ParseArguments(int argc, char** argv, const Description& description) {
  Arguments arguments;
  bool options = true;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (options && word == "--") {
      options = false;
    } else if (options && word.size() > 1 && word[0] == '-') {
      i = ReadOption(arguments, argv, i, description);
    } else {
      arguments.files.push_back(word);
    }
  }
  const size_t wanted = description.inputs.size() + description.outputs.size();
  if (arguments.mode == Mode::kRun && arguments.files.size() == 1 && TakesImage(description)) {
    arguments.mode = Mode::kClassify;
    return arguments;
  }
  if (arguments.files.size() != (arguments.mode == Mode::kRun ? wanted : 0)) {
    throw Failure(kUsage, Usage(description));
  }
  return arguments;
}

}  // namespace rdpass
