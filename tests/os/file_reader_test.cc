// Whole files by every method, and files that are not as long as they should be.
#include "os/file_reader.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "os/mapped_file.h"
#include "os/memory_block.h"
#include "os/page_populator.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using testing::TempFolder;

constexpr ReadMethod kMethods[] = {ReadMethod::kIoUring, ReadMethod::kDirect,
                                   ReadMethod::kBuffered};

/// Bytes that differ from page to page and within one.
std::string content(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i * 2654435761u >> 11);
  return text;
}

TEST(FileReader, ReadsEveryByteByEveryMethod) {
  const TempFolder folder;
  const std::string first = content((size_t{9} << 20) + 12345);  // more than two chunks
  const std::string second = content(17);
  testing::write_file(folder.path() / "first", first);
  testing::write_file(folder.path() / "second", second);
  for (const ReadMethod method : kMethods) {
    MemoryBlock a(size_t{10} << 20);
    MemoryBlock b(kReadAlignment);
    const FileRange ranges[] = {
        {folder.path() / "first", 4096, first.size() - 4096, a.as<std::byte>()},
        {folder.path() / "second", 0, second.size(), b.as<std::byte>()}};
    uint64_t last = 0;
    const ReadReport report = read_ranges(ranges, method, [&](uint64_t done) {
      EXPECT_GE(done, last);
      last = done;
    });
    EXPECT_EQ(last, report.bytes);
    EXPECT_EQ(report.bytes, first.size() - 4096 + second.size());
    EXPECT_EQ(std::memcmp(a.data(), first.data() + 4096, first.size() - 4096), 0)
        << read_method_name(report.method);
    EXPECT_EQ(std::memcmp(b.data(), second.data(), second.size()), 0);
  }
}

TEST(FileReader, AFileThatEndsEarlyIsNamedWithItsOffset) {
  const TempFolder folder;
  testing::write_file(folder.path() / "short", content((size_t{5} << 20) + 100));
  for (const ReadMethod method : kMethods) {
    MemoryBlock block(size_t{8} << 20);
    const FileRange range{folder.path() / "short", 0, size_t{8} << 20, block.as<std::byte>()};
    try {
      read_ranges({&range, 1}, method, [](uint64_t) {});
      ADD_FAILURE() << "no error";
    } catch (const LoadError& error) {
      EXPECT_EQ(error.problem().file, folder.path() / "short");
      EXPECT_EQ(error.problem().where, "offset 5242980") << read_method_name(method);
      EXPECT_EQ(error.problem().found, "the end of the file");
    }
  }
}

TEST(FileReader, AnErrorOfTheSystemIsNamed) {
  const TempFolder folder;
  MemoryBlock block(kReadAlignment);
  const FileRange absent{folder.path() / "absent", 0, 10, block.as<std::byte>()};
  EXPECT_THROW(read_ranges({&absent, 1}, {}, [](uint64_t) {}), LoadError);
  const FileRange directory{folder.path(), 0, 10, block.as<std::byte>()};  // opens, cannot be read
  for (const ReadMethod method : kMethods) {
    try {
      read_ranges({&directory, 1}, method, [](uint64_t) {});
      ADD_FAILURE() << "no error";
    } catch (const LoadError& error) {
      EXPECT_EQ(error.problem().where, "offset 0");
      EXPECT_NE(error.problem().found.find("directory"), std::string::npos);
    }
  }
}

TEST(FileReader, FreshlyWrittenFilesAreCached) {
  const TempFolder folder;
  testing::write_file(folder.path() / "file", content(size_t{1} << 20));
  const FileRange range{folder.path() / "file", 0, size_t{1} << 20, nullptr};
  EXPECT_GT(cached_share({&range, 1}), 0.9);
}

TEST(PagePopulator, EndsWhenAllIsThereAndWhenItIsDestroyed) {
  const TempFolder folder;
  testing::write_file(folder.path() / "file", content((size_t{20} << 20) + 5));
  const MappedFile file(folder.path() / "file");
  EXPECT_TRUE(PagePopulator().finished());
  PagePopulator whole({file.bytes().subspan(100)}, 2);
  whole.wait();
  EXPECT_TRUE(whole.finished());
  const PagePopulator cut_short({file.bytes()}, 2);
}

}  // namespace
}  // namespace hearth
