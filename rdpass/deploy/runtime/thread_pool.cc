#include "thread_pool.h"

namespace rdpass {

ThreadPool::ThreadPool(int threads) {
  try {
    workers_.reserve(static_cast<size_t>(threads - 1));
    for (int index = 1; index < threads; ++index) workers_.emplace_back([this, index] { Work(index); });
  } catch (...) {
    Stop();
    throw;
  }
}

ThreadPool::~ThreadPool() { Stop(); }

void ThreadPool::Run(void (*task)(void*, int), void* data) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    task_ = task;
    data_ = data;
    busy_ = static_cast<int>(workers_.size());
    ++round_;
  }
  begun_.notify_all();
  task(data, 0);
  std::unique_lock<std::mutex> lock(mutex_);
  ended_.wait(lock, [this] { return busy_ == 0; });
}

void ThreadPool::Work(int index) {
  std::unique_lock<std::mutex> lock(mutex_);
  for (unsigned seen = 0;;) {
    begun_.wait(lock, [&] { return stopping_ || round_ != seen; });
    if (stopping_) return;
    seen = round_;
    const auto task = task_;
    void* const data = data_;
    lock.unlock();
    task(data, index);
    lock.lock();
    if (--busy_ == 0) ended_.notify_one();
  }
}

void ThreadPool::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  begun_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

}  // namespace rdpass
