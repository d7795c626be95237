// SPDX-License-Identifier: MIT
#pragma once
#include "../task.hpp"
#include "content.hpp"

namespace coefdyn::tasks {

/// Where the data lie, and how they are read.
struct cifar10_options {
  std::string folder = "";  // "": the environment's COEFDYN_DATA
  idx pooled = 1;           // pixels are means over squares of so many a side, rounded: 4 leaves 64 of 1024
  idx train = 45000;        // the first of the 50,000; the others are the split `valid`
};

/// CIFAR-10 in grey: 1024 pixels row by row, tokens 0 .. 255, and the class. From the official binary batches (in the folder or its
/// cifar-10-batches-bin/), whose colours become 0.299 R + 0.587 G + 0.114 B in steps of 2^-16, rounded; or from records of a label and
/// 1024 grey bytes, cifar10_gray_{train_1..5,test}.bin (in the folder or its cifar10/).
///
/// shape   inputs of 1024 / pooled^2 tokens; one target, 0 .. 9
/// error   files::file_error for a file that is absent, with what to get, or cut, or with another label; invalid_input for an index outside
///         of its split, and for pooled that does not divide 32
/// source  Krizhevsky, Learning multiple layers of features from tiny images, 2009
class cifar10 {
 public:
  static constexpr std::string_view name = "cifar10";
  static constexpr tasks::labels labels = tasks::labels::one_a_sequence;
  static constexpr tasks::metric metric = tasks::metric::accuracy;
  static constexpr std::string_view classes[] = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};

  explicit cifar10(const cifar10_options& o = {}) : options_(o) {
    detail::expect(o.pooled >= 1 && side % o.pooled == 0, name, "pooled", "1, 2, 4, 8, 16 or 32", o.pooled);
    const data_folder data(o.folder);
    for (const char* i : {"1", "2", "3", "4", "5"}) read(data, std::string("train_") + i, std::string("data_batch_") + i, train_);
    read(data, "test", "test_batch", test_);
    detail::expect(o.train >= 0 && o.train <= count(train_), name, "train", "0 .. " + std::to_string(count(train_)), o.train);
  }
  idx vocabulary() const { return 256; }
  idx outputs() const { return 10; }
  idx length() const { return side * side / (options_.pooled * options_.pooled); }
  idx size(split s) const { return s == split::train ? options_.train : s == split::test ? count(test_) : count(train_) - options_.train; }
  sample make(split s, idx index) const {
    detail::expect_index(name, s, index, size(s));
    const std::string& from = s == split::test ? test_ : train_;
    const char* const record = from.data() + (index + (s == split::valid ? options_.train : 0)) * record_size;
    const auto pixel = [&](idx row, idx column) { return std::int64_t(static_cast<unsigned char>(record[1 + side * row + column])); };
    const idx p = options_.pooled;
    sample out{{}, {record[0]}};
    for (idx row = 0; row < side; row += p)
      for (idx column = 0; column < side; column += p) {
        std::int64_t sum = p * p / 2;
        for (idx i = 0; i < p * p; ++i) sum += pixel(row + i / p, column + i % p);
        out.inputs.push_back(sum / (p * p));
      }
    return out;
  }
  /// A pixel as a number of mean 0 and deviation 1 over the training images, for models that read numbers.
  static double number(std::int64_t pixel) { return (static_cast<double>(pixel) - 122.6) / 61.0; }

 private:
  static constexpr idx side = 32, record_size = 1 + side * side, colours_size = 1 + 3 * side * side;
  static idx count(const std::string& records) { return std::ssize(records) / record_size; }
  static void read(const data_folder& data, const std::string& grey, const std::string& colours, std::string& to) {
    const std::string grey_name = "cifar10_gray_" + grey + ".bin", colours_name = colours + ".bin";
    const std::string path = data.need({"cifar10/" + grey_name, grey_name, "cifar-10-batches-bin/" + colours_name, colours_name},
                                       "CIFAR-10's binary version, data_batch_1..5.bin and test_batch.bin");
    const bool is_grey = path.find("cifar10_gray_") != std::string::npos;
    const std::string from = content(path);
    const idx size = is_grey ? record_size : colours_size;
    if (from.empty() || std::ssize(from) % size != 0)
      files::detail::refuse(path, "expected records of " + std::to_string(size) + " bytes, given " + std::to_string(from.size()) +
                                      " bytes, which end within record " + std::to_string(std::ssize(from) / size));
    for (idx i = 0; i < std::ssize(from); i += size) {
      if (static_cast<unsigned char>(from[std::size_t(i)]) > 9)
        files::detail::refuse(path, "record " + std::to_string(i / size) + ": expected a label 0 .. 9, given " +
                                        std::to_string(static_cast<unsigned char>(from[std::size_t(i)])));
      append(std::string_view(from).substr(std::size_t(i), std::size_t(size)), is_grey, to);
    }
  }
  static void append(std::string_view record, bool is_grey, std::string& to) {
    if (is_grey) {
      to += record;
      return;
    }
    constexpr auto plane = std::size_t(side * side);
    const auto colour = [&](std::size_t at) { return std::uint32_t(static_cast<unsigned char>(record[1 + at])); };
    to += record[0];
    for (std::size_t i = 0; i < plane; ++i)
      to += static_cast<char>((19595 * colour(i) + 38470 * colour(plane + i) + 7471 * colour(2 * plane + i) + 32768) >> 16);
  }
  cifar10_options options_;
  std::string train_, test_;
};

}  // namespace coefdyn::tasks
