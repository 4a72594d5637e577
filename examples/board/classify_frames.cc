// Frames in, labels out, and a histogram of how long each took.
//
//   ffmpeg -i video.mp4 -f rawvideo -pix_fmt rgb24 - | ./classify_frames --size 640x480 student.rdp
//   ./classify_frames --size 640x480 student.rdp frame_0.raw frame_1.raw
//
// A frame is HEIGHT rows of WIDTH pixels of three bytes (red, green, blue), or of one with --grey; frames follow one
// another on stdin or in files. A line for each goes to stdout: its number, label and score. Times go to stderr at the
// end, which SIGINT and SIGTERM bring about. Exit codes: 0, 1 where the network failed, 2 for wrong words or input, 8 for
// a bundle that is not as it was built, or for another CPU.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "rdpass_network.hpp"

namespace {

volatile std::sig_atomic_t stopped = 0;

struct Options {
  int width = 0, height = 0, channels = 3, threads = 0;
  std::string bundle;
  std::vector<std::string> files;
};

struct Best {
  size_t index;
  float score;  // 1 where the network gives an index alone
};

struct CloseFile {
  void operator()(std::FILE* file) const {
    if (file != stdin) std::fclose(file);
  }
};

// What is wrong with what was asked for, or given.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

void Stop(int) { stopped = 1; }

// A read that waits for a frame is to end too: no SA_RESTART.
void StopOn(int signal) {
  struct sigaction action;
  std::memset(&action, 0, sizeof(action));
  action.sa_handler = Stop;
  sigaction(signal, &action, nullptr);
}

Options Read(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    char rest = '\0';
    if (word == "--size" && i + 1 < argc) {
      if (std::sscanf(argv[++i], "%dx%d%c", &options.width, &options.height, &rest) != 2) options.width = 0;
    } else if (word == "--threads" && i + 1 < argc) {
      options.threads = std::atoi(argv[++i]);
    } else if (word == "--grey") {
      options.channels = 1;
    } else if (options.bundle.empty()) {
      options.bundle = word;
    } else {
      options.files.push_back(word);
    }
  }
  const bool sized = options.width > 0 && options.height > 0 && options.width <= 65535 && options.height <= 65535;
  if (!sized || options.bundle.empty() || options.bundle[0] == '-') {
    throw UsageError("usage: classify_frames --size WIDTHxHEIGHT [--grey] [--threads N] BUNDLE [FILE...]");
  }
  return options;
}

// The likeliest class in the first output.
Best BestOf(const rdpass::NetworkTensor& tensor, const std::vector<unsigned char>& bytes) {
  if (tensor.dtype == "int64" && bytes.size() == sizeof(int64_t)) {
    int64_t index = 0;
    std::memcpy(&index, bytes.data(), sizeof(index));
    return {static_cast<size_t>(index), 1.0f};
  }
  if (tensor.dtype != "float32" || bytes.empty()) throw UsageError("'" + tensor.name + "' holds no scores of classes");
  std::vector<float> scores(bytes.size() / sizeof(float));
  std::memcpy(scores.data(), bytes.data(), bytes.size());
  const auto best = std::max_element(scores.begin(), scores.end());
  return {static_cast<size_t>(best - scores.begin()), *best};
}

std::string LabelOf(const rdpass::Network& network, size_t index) {
  return index < network.labels().size() ? network.labels()[index] : std::to_string(index);
}

// Milliseconds of every frame so far.
class Latencies {
 public:
  void Add(double milliseconds) { all_.push_back(milliseconds); }

  // Percentiles by nearest rank, and a bar for every doubling of time.
  void Print(std::FILE* to) {
    if (all_.empty()) return;
    std::sort(all_.begin(), all_.end());
    std::fprintf(to, "%zu frames, in ms: p50 %.2f  p95 %.2f  p99 %.2f  max %.2f\n", all_.size(), At(0.5), At(0.95),
                 At(0.99), all_.back());
    double upper = 0.125;
    for (size_t i = 0; i < all_.size(); upper *= 2) {
      const size_t first = i;
      while (i < all_.size() && all_[i] < upper) ++i;
      if (first == 0 && i == 0) continue;
      const size_t bar = (50 * (i - first) + all_.size() - 1) / all_.size();
      std::fprintf(to, "below %9.3f ms %7zu %s\n", upper, i - first, std::string(bar, '#').c_str());
    }
  }

 private:
  double At(double share) const {
    const size_t rank = static_cast<size_t>(share * static_cast<double>(all_.size()) + 0.9999999);
    return all_[std::min(std::max<size_t>(rank, 1), all_.size()) - 1];
  }

  std::vector<double> all_;
};

class Classifier {
 public:
  explicit Classifier(const Options& options) : options_(options), network_(options.bundle, options.threads) {
    if (!network_.takes_image()) throw UsageError(options.bundle + " takes no image: compile it with --preprocess");
    for (const rdpass::NetworkTensor& tensor : network_.outputs()) outputs_.emplace_back(tensor.bytes);
    for (std::vector<unsigned char>& output : outputs_) places_.push_back(output.data());
  }

  // All frames in a stream, to its end.
  void ClassifyAll(std::FILE* frames, const std::string& name) {
    std::vector<unsigned char> frame(static_cast<size_t>(options_.width) * options_.height * options_.channels);
    while (!stopped) {
      const size_t got = std::fread(frame.data(), 1, frame.size(), frames);
      if (stopped || got == 0) break;
      if (got < frame.size()) throw UsageError(name + ": ends within a frame");
      Classify(frame);
    }
    if (std::ferror(frames) && !stopped) throw UsageError(name + ": can't be read");
  }

  void PrintTimes(std::FILE* to) { latencies_.Print(to); }

 private:
  void Classify(const std::vector<unsigned char>& frame) {
    const auto start = std::chrono::steady_clock::now();
    const std::vector<unsigned char> input =
        network_.Prepare(frame.data(), options_.width, options_.height, options_.channels);
    network_.Run({input.data()}, places_);
    const Best best = BestOf(network_.outputs()[0], outputs_[0]);
    const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
    latencies_.Add(elapsed.count());
    std::printf("%zu\t%s\t%.4f\n", count_++, LabelOf(network_, best.index).c_str(), static_cast<double>(best.score));
    if (std::fflush(stdout) != 0) throw UsageError("stdout can't be written");
  }

  const Options options_;
  rdpass::Network network_;
  std::vector<std::vector<unsigned char>> outputs_;
  std::vector<void*> places_;
  Latencies latencies_;
  size_t count_ = 0;
};

void ClassifyFiles(Classifier& classifier, const std::vector<std::string>& files) {
  if (files.empty()) return classifier.ClassifyAll(stdin, "stdin");
  for (const std::string& name : files) {
    const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(name.c_str(), "rb"));
    if (!file) throw UsageError(name + ": can't be read");
    classifier.ClassifyAll(file.get(), name);
  }
}

}  // namespace

int main(int argc, char** argv) {
  StopOn(SIGINT);
  StopOn(SIGTERM);
  int code = 0;
  try {
    const Options options = Read(argc, argv);
    Classifier classifier(options);
    try {
      ClassifyFiles(classifier, options.files);
    } catch (const std::exception&) {
      classifier.PrintTimes(stderr);
      throw;
    }
    classifier.PrintTimes(stderr);
  } catch (const rdpass::NetworkError& error) {
    std::fprintf(stderr, "classify_frames: %s\n", error.what());
    code = error.code;
  } catch (const UsageError& error) {
    std::fprintf(stderr, "classify_frames: %s\n", error.what());
    code = 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "classify_frames: %s\n", error.what());
    code = 1;
  }
  // Without waiting for TVM's threads to end, which takes long where other work has the cores. All is written by now.
  std::_Exit(code);
}
