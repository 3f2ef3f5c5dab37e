# One module of src/ is one static library `hearth_<name>`; what it may link is the include table
# of docs/ARCHITECTURE.md, which tools/tidy checks.

# For code that no token and no weight waits for. To inline all of CLI11, JSON and Beast as the core
# is inlined, or to check each of their pointers, takes twice the time. Null pointers are found all
# the same: AddressSanitizer reports the access.
set(hearth_glue_options)
if(HEARTH_SANITIZE MATCHES "undefined")
  set(hearth_glue_options -fno-sanitize=null,alignment)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT HEARTH_SANITIZE)
  set(hearth_glue_options -O1)
endif()

# hearth_module(NAME [BATCHED] [GLUE] SOURCES a.cc … [LINK lib …])
# With HEARTH_BATCHES, eight SOURCES of a BATCHED module at a time are compiled as one file: CLI11
# and JSON are then read, instantiated and optimised once for all that use them. The names in their
# unnamed namespaces have to differ. GLUE modules get the options above.
function(hearth_module name)
  cmake_parse_arguments(ARG "BATCHED;GLUE" "" "SOURCES;LINK" ${ARGN})
  add_library(hearth_${name} STATIC ${ARG_SOURCES})
  if(ARG_BATCHED)
    hearth_batches(hearth_${name})
  endif()
  if(ARG_GLUE)
    target_compile_options(hearth_${name} PRIVATE ${hearth_glue_options})
  endif()
  target_include_directories(hearth_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(hearth_${name} PUBLIC ${ARG_LINK})
endfunction()

function(hearth_batches target)
  if(HEARTH_BATCHES)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
endfunction()

foreach(label asan asan_nightly tsan)
  add_custom_target(${label}_tests COMMENT "Test programs labelled ${label}")
endforeach()

# hearth_test_program(NAME [LINK lib …])
# A GoogleTest program that the tests of one folder share, so that their headers are read once
# (HEARTH_BATCHES) and their libraries linked once.
function(hearth_test_program name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name})
  hearth_batches(${name})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest_main)
  # Programs that each hold the lines of every library would be gigabytes. Sanitizers and the debug
  # preset keep them for their reports.
  if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT HEARTH_SANITIZE)
    target_link_options(${name} PRIVATE LINKER:--strip-debug)
  endif()
endfunction()

# hearth_filter(RESULT SOURCES a.cc … CASES pattern …): GoogleTest's filter for such cases of the
# suites in the sources. Read from the sources when CMake runs, and CMake runs again when they
# change: no suite is forgotten.
function(hearth_filter result)
  cmake_parse_arguments(ARG "" "" "SOURCES;CASES" ${ARGN})
  set(patterns)
  foreach(source ${ARG_SOURCES})
    cmake_path(ABSOLUTE_PATH source NORMALIZE)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
    file(STRINGS ${source} lines REGEX "^(TYPED_)?TEST(_[A-Z]+)?\\(")
    foreach(line ${lines})
      if(NOT line MATCHES "^TEST(_[FP])?\\(([A-Za-z0-9_]+),")
        message(FATAL_ERROR "${source}: no suite can be read from this line: ${line}\n"
                            "Write TEST, TEST_F or TEST_P with the suite on the same line.")
      endif()
      set(suite ${CMAKE_MATCH_2})
      if(CMAKE_MATCH_1 STREQUAL "_P")
        string(PREPEND suite "*/")
      endif()
      foreach(cases ${ARG_CASES})
        list(APPEND patterns "${suite}.${cases}")
      endforeach()
    endforeach()
  endforeach()
  if(NOT patterns)
    message(FATAL_ERROR "No suites in ${ARG_SOURCES}.")
  endif()
  list(REMOVE_DUPLICATES patterns)
  list(JOIN patterns ":" patterns)
  set(${result} ${patterns} PARENT_SCOPE)
endfunction()

# hearth_test(NAME SOURCES a.cc … (IN program | LINK lib …) [LABELS label …] [TIMEOUT seconds]
#             [CASES pattern …] [WITHOUT pattern])
# The GoogleTest suites of the sources, run as one ctest from the root of the source tree: in a
# program that several tests share, or in one of its own. CASES and WITHOUT choose among the cases.
#
# Labels: `fast` (the default); `asan` and `tsan` (./check runs it under those sanitizers, too);
# `asan_nightly` (tests/nightly does); `emulated` (./check runs it on an emulated processor, too);
# `long` (./check leaves it out).
#
# ctest calls the program skipped only when every case was and none failed: its regular expression
# outranks the exit status. The report below build/PRESET/gtest/ has the truth case by case, and
# is what ./check counts.
function(hearth_test name)
  cmake_parse_arguments(ARG "" "IN;TIMEOUT;WITHOUT" "SOURCES;LINK;LABELS;CASES" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  if(NOT ARG_LABELS)
    set(ARG_LABELS fast)
  endif()
  if(NOT ARG_CASES)
    set(ARG_CASES *)
  endif()
  if(NOT ARG_IN)
    set(ARG_IN ${name})
    hearth_test_program(${name} LINK ${ARG_LINK})
  endif()
  target_sources(${ARG_IN} PRIVATE ${ARG_SOURCES})
  hearth_filter(filter SOURCES ${ARG_SOURCES} CASES ${ARG_CASES})
  if(ARG_WITHOUT)
    string(APPEND filter ":-${ARG_WITHOUT}")
  endif()
  add_test(NAME ${name} COMMAND ${ARG_IN} --gtest_filter=${filter}
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES
    LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT}
    ENVIRONMENT "GTEST_OUTPUT=xml:${PROJECT_BINARY_DIR}/gtest/${name}.xml"
    SKIP_REGULAR_EXPRESSION "\\[  PASSED  \\] 0 tests\\.\n(\\[  SKIPPED \\][^\n]*\n)+$")
  foreach(label ${ARG_LABELS})
    if(TARGET ${label}_tests)
      add_dependencies(${label}_tests ${ARG_IN})
    endif()
  endforeach()
endfunction()
