# One module of src/ is one static library `hearth_<name>`; what it may link is the include table
# of docs/ARCHITECTURE.md, which tools/tidy checks.

# hearth_module(NAME [BATCHED] SOURCES a.cc … [ALONE b.cc …] [LINK lib …])
# With HEARTH_BATCHES, eight SOURCES of a BATCHED module at a time are compiled as one file: CLI11
# and JSON are then read, instantiated and optimised once for all that use them. What has a
# name in its unnamed namespace that another file of the module has, too, is compiled ALONE.
function(hearth_module name)
  cmake_parse_arguments(ARG "BATCHED" "" "SOURCES;ALONE;LINK" ${ARGN})
  add_library(hearth_${name} STATIC ${ARG_SOURCES} ${ARG_ALONE})
  if(HEARTH_BATCHES AND ARG_BATCHED)
    set_target_properties(hearth_${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    set_source_files_properties(${ARG_ALONE} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endif()
  target_include_directories(hearth_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(hearth_${name} PUBLIC ${ARG_LINK})
endfunction()

add_custom_target(asan_tests COMMENT "Test programs labelled asan")
add_custom_target(tsan_tests COMMENT "Test programs labelled tsan")

# hearth_test(NAME SOURCES a.cc … [LINK lib …] [LABELS label …] [TIMEOUT seconds]
#             [FILTER pattern …])
# A GoogleTest program, run as one ctest from the root of the source tree. Labels: `fast` (the
# default), `asan` and `tsan` (./check runs it under those sanitizers, too), `emulated` (and on an
# emulated processor), `long` (./check leaves it out). With a filter only those cases run.
#
# ctest calls the program skipped only when every case was and none failed: its regular expression
# outranks the exit status. The report below build/PRESET/gtest/ has the truth case by case, and
# is what ./check counts.
function(hearth_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINK;LABELS;FILTER" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  if(NOT ARG_LABELS)
    set(ARG_LABELS fast)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest_main)
  # Seventy programs that each hold the lines of every library would be two gigabytes. Sanitizers
  # and the debug preset keep them for their reports.
  if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT HEARTH_SANITIZE)
    target_link_options(${name} PRIVATE LINKER:--strip-debug)
  endif()
  set(filter ${ARG_FILTER})
  if(filter)
    list(JOIN filter ":" filter)
    set(filter --gtest_filter=${filter})
  endif()
  add_test(NAME ${name} COMMAND ${name} ${filter} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES
    LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT}
    ENVIRONMENT "GTEST_OUTPUT=xml:${PROJECT_BINARY_DIR}/gtest/${name}.xml"
    SKIP_REGULAR_EXPRESSION "\\[  PASSED  \\] 0 tests\\.\n(\\[  SKIPPED \\][^\n]*\n)+$")
  foreach(sanitizer asan tsan)
    if("${sanitizer}" IN_LIST ARG_LABELS)
      add_dependencies(${sanitizer}_tests ${name})
    endif()
  endforeach()
endfunction()
