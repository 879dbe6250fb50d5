"""How letters, symbols and English words of the plant are said in Korean."""

from __future__ import annotations

LETTERS = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        "에이 비 씨 디 이 에프 지 에이치 아이 제이 케이 엘 엠 엔 오 피 큐 알 에스 티 유 브이 "
        "더블유 엑스 와이 제트".split(),
        strict=True,
    )
)

SYMBOLS = {
    "%": "퍼센트", "‰": "퍼밀", "°": "도", "℃": "도", "℉": "도", "Å": "옹스트롬",
    "$": "달러", "€": "유로", "£": "파운드", "¥": "엔", "₩": "원",
    "Ω": "옴", "α": "알파", "β": "베타", "γ": "감마", "δ": "델타", "Δ": "델타",
    "ε": "엡실론", "ζ": "제타", "η": "에타", "θ": "세타", "κ": "카파", "λ": "람다",
    "μ": "뮤", "µ": "뮤", "ν": "뉴", "ξ": "크시", "π": "파이", "ρ": "로", "σ": "시그마",
    "Σ": "시그마", "τ": "타우", "φ": "파이", "χ": "카이", "ψ": "프사이", "ω": "오메가",
    "∞": "무한대", "№": "넘버", "&": "앤드", "@": "앳", "#": "샵", "+": "플러스",
    "ㄱ": "기역", "ㄴ": "니은", "ㄷ": "디귿", "ㄹ": "리을", "ㅁ": "미음", "ㅂ": "비읍",
    "ㅅ": "시옷", "ㅇ": "이응", "ㅈ": "지읒", "ㅊ": "치읓", "ㅋ": "키읔", "ㅌ": "티읕",
    "ㅍ": "피읖", "ㅎ": "히읗",
    "Ⅰ": "일", "Ⅱ": "이", "Ⅲ": "삼", "Ⅳ": "사", "Ⅴ": "오", "Ⅵ": "육", "Ⅶ": "칠", "Ⅷ": "팔",
    "Ⅸ": "구", "Ⅹ": "십",
}  # fmt: skip

LOANWORDS = dict(
    pair.split(":")
    for pair in """
    on:온 off:오프 no:노 yes:예스 ok:오케이 auto:오토 manual:매뉴얼 normal:노멀 fault:폴트
    failure:페일리어 alarm:알람 trip:트립 stop:스톱 start:스타트 run:런 idle:아이들 reset:리셋
    set:세트 high:하이 low:로 medium:미디엄 mid:미드 good:굿 bad:배드 pass:패스 fail:페일
    open:오픈 close:클로즈 closed:클로즈드 input:인풋 output:아웃풋 limit:리밋 unit:유닛
    robot:로봇 target:타깃 slot:슬롯 plot:플롯 cut:컷 bit:비트 kit:키트 net:네트 pot:포트
    jet:제트 bot:봇 shot:숏 hot:핫 pilot:파일럿 magnet:마그넷 packet:패킷 socket:소켓
    gasket:개스킷 bracket:브래킷 pallet:팰릿 inlet:인렛 outlet:아웃렛 product:프로덕트
    check:체크 shock:쇼크 deck:데크 web:웹 lab:랩 tab:탭 hub:허브 job:잡 club:클럽 tub:터브
    type:타입 pipe:파이프 tape:테이프 slope:슬로프 probe:프로브 recipe:레시피 scope:스코프
    shape:셰이프 heat:히트 feed:피드 speed:스피드 load:로드 rod:로드 rate:레이트 weight:웨이트
    height:하이트 light:라이트 right:라이트 left:레프트 float:플로트 coat:코트 loop:루프
    group:그룹 book:북 leak:리크 peak:피크 break:브레이크 soak:소크 hook:훅 week:위크 sleep:슬립
    batch:배치 switch:스위치 belt:벨트 bolt:볼트 tank:탱크 pump:펌프 tool:툴 level:레벨
    cycle:사이클 nozzle:노즐 line:라인 zone:존 time:타임 frame:프레임 volume:볼륨 machine:머신
    turbine:터빈 engine:엔진 mode:모드 code:코드 grade:그레이드 size:사이즈 value:밸류
    valve:밸브 torque:토크 wear:웨어 power:파워 motor:모터 sensor:센서 heater:히터
    cooler:쿨러 filter:필터 pressure:프레셔 temperature:템퍼러처 temp:템프 voltage:볼티지
    current:커런트 flow:플로 gas:가스 oil:오일 air:에어 water:워터 steam:스팀 gap:갭
    disc:디스크 disk:디스크 arc:아크 block:블록 clock:클록 track:트랙 stack:스택 pack:팩 rack:랙
    step:스텝 chip:칩 setup:셋업 design:디자인 film:필름 rough:러프 through:스루
    count:카운트 point:포인트 event:이벤트 default:디폴트 test:테스트 list:리스트
    user:유저 data:데이터 cash:캐시 credit:크레디트 debit:데빗 loan:론 risk:리스크 bank:뱅크
    approved:어프루브드 rejected:리젝티드 none:논 one:원 some:섬 acne:아크네 home:홈
    two:투 three:스리 four:포 five:파이브 six:식스 seven:세븐 eight:에이트 nine:나인 ten:텐
    zero:제로 ram:램 rom:롬 cad:캐드 cam:캠 lan:랜 pin:핀 fan:팬 can:캔 bar:바 leo:레오
    front:프런트 back:백 kick:킥 red:레드 green:그린 blue:블루 black:블랙 white:화이트
    """.split()
)
