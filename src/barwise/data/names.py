"""The words that files use for their columns, in the languages of their exporters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

# Better names first: where two columns could be one thing, the earlier name is it.
_WORDS: Mapping[str, str] = {
    "time": (
        "open time, time, datetime, timestamp, date time, ts, dt, unix, unix timestamp, unix time, epoch, "
        "ts event, window start, bar time, start time, time utc, time start, time period start, gmt time, "
        "utc time, local time, candle begin time, candle time, trade time, event time, t, date gmt, "
        "timestamp utc, datetime utc, begin, begins at, time of bar, kline open time, fecha hora, 日時, "
        "时间, 時間, 交易时间, zeitstempel, zeitpunkt, horodatage"
    ),
    "date": (
        "date, trade date, trading date, trading day, trade day, day, dates, dtyyyymmdd, yyyymmdd, datadate, "
        "caldt, dlycaldt, mthcaldt, price date, quote date, business date, session date, rptdt, datum, tag, "
        "handelstag, jour, fecha, data, data pregao, datpre, 日付, 日期, 交易日期, 交易日, 年月日, 取引日, "
        "날짜, 일자, дата, dato, tarih, ngay, pvm, paivamaara, ημερομηνια"
    ),
    "clock": (
        "time, clock, hour, time of day, uhrzeit, zeit, heure, hora, ora, 時刻, 时刻, время, hhmm, hhmmss, "
        "saat, czas, tijd, tid, 시간"
    ),
    "symbol": (
        "symbol, ticker, sym, instrument, asset, tic, code, stock code, stockcode, ts code, tckrsymb, "
        "codneg, act symbol, ticker symbol, trading symbol, root symbol, raw symbol, local symbol, ric, "
        "alias underlying ric, security, secid, security id, stock symbol, stock, contract, pair, coin, "
        "currency pair, product id, figi, isin, cusip, sedol, wkn, permno, permco, "
        "hdrcusip, name, stock name, company, unique id, order book id, 代码, 股票代码, 证券代码, "
        "基金代码, 指数代码, 合约代码, 合约, 品种, 銘柄コード, コード, 銘柄, 証券コード, 종목코드, symbole, "
        "code isin, kurzel, simbolo, ativo, papel, тикер, codigo, 名称, 股票名称, 銘柄名, 종목명"
    ),
    "open": (
        "open, o, open price, opening, opening price, price open, openprice, openprc, open prc, dlyopen, "
        "px open, first, firstpric, frstpric, 开, eroffn, preabe, first price, start price, opn, mid o, "
        "mid open, bid open, "
        "trade open, 开盘, 开盘价, 開盤, 開盤價, 今开, 始値, 始値円, 시가, eroffnung, eroffnungskurs, "
        "erster, anfangskurs, ouverture, ouv, apertura, abertura, prezzo di apertura, otwarcie, открытие, "
        "acilis, openingskurs, oppning, opening koers, openen, aloitus, ppening, startkurs"
    ),
    "high": (
        "high, 高, h, high price, price high, highest, highprice, high prc, askhi, ask hi, dlyhigh, px high, "
        "max, maxpric, premax, max price, hi, mid h, mid high, bid high, trade high, day high, session high, "
        "最高, 最高价, 最高價, 高値, 高値円, 고가, hoch, hochst, hochstkurs, tageshoch, plus haut, haut, "
        "maximo, massimo, maxima, najwyzszy, максимум, макс, yuksek, hogsta, hojeste, hoogste, korkein, "
        "max alto, alto, hoogst"
    ),
    "low": (
        "low, 低, l, low price, price low, lowest, lowprice, low prc, bidlo, bid lo, dlylow, px low, min, "
        "minpric, premin, min price, lo, mid l, mid low, bid low, trade low, day low, session low, 最低, "
        "最低价, 最低價, 安値, 安値円, 저가, tief, tiefst, tiefstkurs, tagestief, plus bas, bas, minimo, "
        "minima, najnizszy, минимум, мин, dusuk, lagsta, laveste, laagste, alin, bajo, baixo, laagst"
    ),
    "close": (
        "close, 收, zuletzt, c, close price, closing price, closing, price close, closeprice, close last, last close, "
        "settle, settlement, settlement price, settle price, prc, dlyprc, dlyclose, px last, px close, last, "
        "lastpric, preult, last price, last trade, mid c, mid close, bid close, trade close, end price, "
        "price, value close, 收盘, 收盘价, 收盤, 收盤價, 最新价, 終値, 終値円, 종가, schluss, schlusskurs, "
        "schlußkurs, letzter, kurs, cloture, clot, dernier, cierre, ultimo, chiusura, fechamento, "
        "zamkniecie, закрытие, цена, kapanis, simdi, senaste, stangning, slutkurs, slotkoers, slot, laatste, "
        "paatos, 현재가"
    ),
    "volume": (
        "volume, vol, v, volume traded, trade volume, total volume, volume total, trading volume, "
        "traded volume, totalvolume, share volume, dlyvol, px volume, volume base, base volume, vol base, "
        "volume from, volumefrom, base asset volume, shares traded, qty, quantity, total traded quantity, "
        "tottrdqty, fininstrmqty, quatot, size, no of shares, acvol uns, 成交量, 交易量, 成交股数, 成交數量, "
        "成交股數, 出来高, 出来高株, 売買高, 거래량, umsatz, volumen, stuck, volume titres, wolumen, объем, "
        "объём, hacim, volym, omsattning, omsaetning, quantidade, volumi, vaihto"
    ),
    "tick_volume": "tickvol, tick volume, tickvolume, tickqty, tick qty, tick count, real volume, ticks",
    "adj_close": (
        "adj close, adjusted close, close adj, close adjusted, adj close price, adjclose, adjusted, "
        "adj price, adj closing price, adj_close, adjusted closing price, 复权收盘价, 調整後終値, "
        "調整後終値円, 수정종가, adj last, bereinigter schlusskurs, cloture ajustee, cierre ajustado, "
        "修正終値"
    ),
    "bid": "bid, bid price",
    "ask": "ask, ask price, offer",
    "year": "year, yr, annee, jahr, 年",
    "month": "month, mon, mois, monat, 月",
    "day": "day, jour, tag, 日",
}
_NAMES: Mapping[str, tuple[str, ...]] = {role: tuple(words.split(", ")) for role, words in _WORDS.items()}
OTHER_TIMES = frozenset(  # that are not a bar's own
    {
        "closetime", "createdat", "endtime", "expiration", "expirationdate", "expiry", "klineclosetime",
        "lasttradedate", "lasttradetime", "lastupdated", "reportdate", "timeclose", "timeend", "timeopen",
        "timeperiodend", "tsinit", "tsrecv", "updated", "updatedat",
    }
)  # fmt: skip


def plain(column: object) -> str:
    """`1. Adj_Close `, `<ADJ CLOSE>` and `adj close` are all `adjclose`; accents and case do not count."""
    text = unicodedata.normalize("NFKD", re.sub(r"^\s*\d+[.:)]\s*(?=\D)", "", str(column))).casefold()
    return "".join(letter for letter in text if letter.isalnum())


def bare(column: object) -> str:
    """The same without what stands in brackets: `Volume (BTC)` is `volume`."""
    return plain(re.sub(r"[(\[（].*?[)\]）]", "", str(column)))


RANK: Mapping[str, Mapping[str, int]] = {
    name: {plain(alias): place for place, alias in reversed(list(enumerate(aliases)))}
    for name, aliases in _NAMES.items()
}
