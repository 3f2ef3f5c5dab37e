# The ladder of instruction sets. add_isa(NAME FLAGS …) compiles src/kernels/NAME/ with its flags;
# kernels/ladder.h declares its upgrade function and backend/cpu decides when it is used.
function(add_isa name)
  cmake_parse_arguments(ARG "" "" "FLAGS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cc)
  if(NOT sources)
    return()
  endif()
  add_library(hearth_kernels_${name} OBJECT ${sources})
  target_include_directories(hearth_kernels_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(hearth_kernels_${name} PRIVATE ${ARG_FLAGS})
  target_sources(hearth_kernels PRIVATE $<TARGET_OBJECTS:hearth_kernels_${name}>)
endfunction()

# GCC 12's own AVX-512 headers use undefined registers on purpose and are warned about (PR 105593).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(quiet_intrinsics -Wno-uninitialized -Wno-maybe-uninitialized)
endif()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_isa(avx2 FLAGS -mavx2 -mfma -mf16c ${quiet_intrinsics})
  add_isa(avxvnni FLAGS -mavx2 -mfma -mf16c -mavxvnni ${quiet_intrinsics})
  add_isa(avx512 FLAGS -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl
                       -mavx512vnni -mprefer-vector-width=512 ${quiet_intrinsics})
  add_isa(avx512bf16 FLAGS -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl
                           -mavx512vnni -mavx512bf16 -mprefer-vector-width=512
                           ${quiet_intrinsics})
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  add_isa(neon FLAGS -march=armv8.2-a+dotprod+fp16)
endif()
