#include "os/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string_view>
#include <system_error>
#include <utility>

#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using testing::TempFolder;
using testing::write_file;

std::string_view text(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, ShowsTheBytes) {
  const TempFolder folder;
  write_file(folder.path() / "a", "hearth");
  const MappedFile file(folder.path() / "a");
  EXPECT_EQ(text(file), "hearth");
}

TEST(MappedFile, MovesItsMapping) {
  const TempFolder folder;
  write_file(folder.path() / "a", "first");
  write_file(folder.path() / "b", "second");
  MappedFile a(folder.path() / "a");
  MappedFile b(folder.path() / "b");
  const MappedFile moved(std::move(a));
  EXPECT_EQ(text(moved), "first");
  b = MappedFile(folder.path() / "a");
  EXPECT_EQ(text(b), "first");
}

TEST(MappedFile, EmptyFileIsEmpty) {
  const TempFolder folder;
  write_file(folder.path() / "a", "");
  EXPECT_TRUE(MappedFile(folder.path() / "a").bytes().empty());
}

TEST(MappedFile, RefusesWhatIsNoFile) {
  const TempFolder folder;
  EXPECT_THROW(MappedFile(folder.path() / "absent"), std::system_error);
  EXPECT_THROW(MappedFile(folder.path()), std::system_error);
  ASSERT_EQ(::mkfifo((folder.path() / "fifo").c_str(), 0600), 0);
  EXPECT_THROW(MappedFile(folder.path() / "fifo"), std::system_error);
}

}  // namespace
}  // namespace hearth
